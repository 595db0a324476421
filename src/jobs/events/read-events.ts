/** Reads a job's events, oldest first. */
import type { Deps } from '../../deps.ts'
import { FewbitError } from '../../shared/errors.ts'
import { getJob } from '../get-job.ts'
import type { JobEvent } from '../record/job.ts'
import { eventsKey } from '../record/keys.ts'

export interface EventQuery {
  /** id of the last event seen */
  after?: string | undefined
  limit: number
}

export interface EventPage {
  data: JobEvent[]
  has_more: boolean
}

/** the number behind the dash counts the events of all jobs */
export const EVENT_ID = /^evt_(\d{1,15}-\d{1,18})$/

/** Throws not_found, and invalid_request for an id that is none. */
export async function readEvents(deps: Deps, owner: string, id: string, query: EventQuery): Promise<EventPage> {
  await getJob(deps, owner, id)
  const start = query.after === undefined ? '-' : `(${streamIdOf(query.after)}`
  const entries = await deps.redis.xrange(eventsKey(deps, id), start, '+', 'COUNT', query.limit + 1)
  const data = entries.slice(0, query.limit).map(([streamId, fields]) => parse(id, streamId, fields))
  return { data, has_more: entries.length > query.limit }
}

export const eventIdOf = (streamId: string): string => `evt_${streamId}`

function streamIdOf(eventId: string): string {
  const streamId = EVENT_ID.exec(eventId)?.[1]
  if (!streamId) throw new FewbitError('invalid_request', `${eventId} is not an event id`, { param: '/after' })
  return streamId
}

function parse(jobId: string, streamId: string, [, json]: string[]): JobEvent {
  return { id: eventIdOf(streamId), object: 'event', job_id: jobId, ...JSON.parse(json!) }
}
