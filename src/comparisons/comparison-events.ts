/** Reads a comparison's events, oldest first, and follows them as they happen, until the last one. */
import type { Deps } from '../deps.ts'
import { type EventPage, type EventQuery, type Followed, readStream } from '../queue/read-stream.ts'
import { type ComparisonEvent, hasEnded } from './comparison.ts'
import { comparisonEventsKey } from './keys.ts'
import { getComparison } from './load-comparison.ts'

/** Throws not_found, and invalid_request for an id that is none. */
async function readEvents(
  deps: Deps,
  owner: string,
  id: string,
  query: EventQuery,
): Promise<EventPage<ComparisonEvent>> {
  await getComparison(deps, owner, id)
  return readStream(deps, comparisonEventsKey(deps, id), { comparison_id: id }, query)
}

/** For `follow`. */
export const comparisonEventsOf = (deps: Deps, owner: string, id: string): Followed<ComparisonEvent> => ({
  id,
  isOver: async () => hasEnded(await getComparison(deps, owner, id)),
  read: (query) => readEvents(deps, owner, id, query),
})
