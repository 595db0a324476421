/** Waits until a job has another version. */
import type { Deps } from '../../deps.ts'
import { getJob } from '../get-job.ts'
import type { JobRecord } from '../record/job.ts'

const POLL_MS = 1000

/** Resolves to the job as it is at the change, after `timeoutMs`, or on abort. Throws not_found. */
export async function waitForChange(
  deps: Deps,
  owner: string,
  id: string,
  { version, signal, timeoutMs }: { version: number; signal?: AbortSignal | undefined; timeoutMs: number },
): Promise<JobRecord> {
  const until = Date.now() + timeoutMs
  const watch = deps.queues.changes.watch(id)
  try {
    for (;;) {
      const job = await getJob(deps, owner, id)
      const left = until - Date.now()
      if (job.version !== version || left <= 0 || signal?.aborted) return job
      await watch.next(Math.min(POLL_MS, left), signal)
    }
  } finally {
    watch.close()
  }
}
