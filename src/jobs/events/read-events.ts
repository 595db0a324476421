/** Reads a job's events, oldest first, and follows them as they happen, until the last one. */
import type { Deps } from '../../deps.ts'
import { type EventPage, type EventQuery, type Followed, readStream } from '../../queue/read-stream.ts'
import { getJob } from '../get-job.ts'
import { isTerminal, type JobEvent } from '../record/job.ts'
import { eventsKey } from '../record/keys.ts'

/** Throws not_found, and invalid_request for an id that is none. */
export async function readEvents(
  deps: Deps,
  owner: string,
  id: string,
  query: EventQuery,
): Promise<EventPage<JobEvent>> {
  await getJob(deps, owner, id)
  return readStream(deps, eventsKey(deps, id), { job_id: id }, query)
}

/** For `follow`. */
export const eventsOf = (deps: Deps, owner: string, id: string): Followed<JobEvent> => ({
  id,
  isOver: async () => isTerminal((await getJob(deps, owner, id)).status),
  read: (query) => readEvents(deps, owner, id, query),
})
