/** Long polling: `Prefer: wait=n` (RFC 7240). */
import type { Deps } from '../deps.ts'
import { waitForChange } from '../jobs/events/wait-for-change.ts'
import { isTerminal, type JobRecord } from '../jobs/record/job.ts'

const MAX_WAIT_SECONDS = 50

/** Seconds to wait, capped; undefined when the client did not ask. */
export function parseWait(prefer: string | undefined): number | undefined {
  const wait = /(?:^|[,;\s])wait=(\d{1,6})/.exec(prefer ?? '')?.[1]
  return wait === undefined ? undefined : Math.min(Number(wait), MAX_WAIT_SECONDS)
}

interface Waiting {
  wait: number | undefined
  signal: AbortSignal
  /** whether this state of the job is what the client waits for; by default a finished job is */
  isNews?: ((job: JobRecord) => boolean) | undefined
}

/** The job as it is when the wait is over. */
export async function followPreference(
  deps: Deps,
  owner: string,
  first: JobRecord,
  waiting: Waiting,
): Promise<JobRecord> {
  const { wait = 0, signal, isNews = () => false } = waiting
  const until = Date.now() + wait * 1000
  let job = first
  while (!isTerminal(job.status) && !isNews(job) && Date.now() < until && !signal.aborted) {
    const timeoutMs = until - Date.now()
    job = await waitForChange(deps, owner, job.id, { version: job.version, signal, timeoutMs })
  }
  return job
}
