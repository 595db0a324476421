/** Reads the events of something, which lie in a stream of Redis, and follows them as they happen. */
import type { Deps } from '../deps.ts'
import { FewbitError } from '../shared/errors.ts'

export interface EventQuery {
  /** id of the last event seen */
  after?: string | undefined
  limit: number
}

export interface EventPage<T> {
  data: T[]
  has_more: boolean
}

/** the number behind the dash counts the events of all streams */
export const EVENT_ID = /^evt_(\d{1,15}-\d{1,18})$/

export const eventIdOf = (streamId: string): string => `evt_${streamId}`

/** Oldest first; `more`: what each event has besides. Throws invalid_request for an id that is none. */
export async function readStream<T>(deps: Deps, key: string, more: object, query: EventQuery): Promise<EventPage<T>> {
  const start = query.after === undefined ? '-' : `(${streamIdOf(query.after)}`
  const entries = await deps.redis.xrange(key, start, '+', 'COUNT', query.limit + 1)
  const data = entries
    .slice(0, query.limit)
    .map(([id, [, json]]) => ({ id: eventIdOf(id), object: 'event', ...more, ...JSON.parse(json ?? '{}') }) as T)
  return { data, has_more: entries.length > query.limit }
}

function streamIdOf(eventId: string): string {
  const streamId = EVENT_ID.exec(eventId)?.[1]
  if (!streamId) throw new FewbitError('invalid_request', `${eventId} is not an event id`, { param: '/after' })
  return streamId
}

/** What is followed. */
export interface Followed<T> {
  id: string
  /** whether nothing will happen to it any more */
  isOver: () => Promise<boolean>
  read: (query: EventQuery) => Promise<EventPage<T>>
}

const PAGE = 100
const POLL_MS = 1000

/** Every event behind `after` once, in order; ends behind the last one or when `signal` aborts. Throws what `isOver` throws. */
export async function* follow<T extends { id: string }>(
  { queues }: Pick<Deps, 'queues'>,
  { id, isOver, read }: Followed<T>,
  { after, signal }: { after?: string | undefined; signal?: AbortSignal | undefined },
): AsyncGenerator<T> {
  const watch = queues.changes.watch(id)
  try {
    let last = after
    while (!signal?.aborted) {
      // This is asked before the events are read: of what was over then, the page holds the last event.
      const finished = await isOver()
      const { data, has_more } = await read({ after: last, limit: PAGE })
      yield* data
      last = data.at(-1)?.id ?? last
      if (finished && !has_more) return
      if (data.length === 0) await watch.next(POLL_MS, signal)
    }
  } finally {
    watch.close()
  }
}
