/** Follows a job's events as they happen, until the last one. */
import type { Deps } from '../../deps.ts'
import { getJob } from '../get-job.ts'
import { isTerminal, type JobEvent } from '../record/job.ts'
import { readEvents } from './read-events.ts'

const PAGE = 100
const POLL_MS = 1000

/** Every event behind `after` once, in order; ends behind the terminal event or when `signal` aborts. Throws not_found. */
export async function* followEvents(
  deps: Deps,
  owner: string,
  id: string,
  { after, signal }: { after?: string | undefined; signal?: AbortSignal | undefined },
): AsyncGenerator<JobEvent> {
  const watch = deps.queues.changes.watch(id)
  try {
    let last = after
    while (!signal?.aborted) {
      // The status is read before the events: of a job that had finished then, the page holds the terminal event.
      const finished = isTerminal((await getJob(deps, owner, id)).status)
      const { data, has_more } = await readEvents(deps, owner, id, { after: last, limit: PAGE })
      yield* data
      last = data.at(-1)?.id ?? last
      if (finished && !has_more) return
      if (data.length === 0) await watch.next(POLL_MS, signal)
    }
  } finally {
    watch.close()
  }
}
