/** /v1/jobs/{id}/events: a job's history, as a list or as a live stream. */
import { Readable } from 'node:stream'
import { z } from 'zod'
import { followEvents } from '../../jobs/events/follow-events.ts'
import { readEvents } from '../../jobs/events/read-events.ts'
import { getJob } from '../../jobs/get-job.ts'
import { JobEvent } from '../../jobs/record/job.ts'
import { negotiate } from '../accept.ts'
import { EVENT_STREAM } from '../document/bodies.ts'
import { endpoint } from '../endpoint.ts'
import { answer, idOf, listOf, Page } from '../shapes.ts'
import { framesOf } from '../sse.ts'

export const EventList = listOf(JobEvent)

const SSE_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
}

export const list = endpoint(
  {
    operationId: 'listJobEvents',
    tags: ['jobs'],
    summary: 'List or stream the events of a job',
    description:
      'A JSON list, oldest first; or, with `Accept: text/event-stream`, a stream that stays open until the job has finished. Ids are the same in both: `Last-Event-ID` and `?after=` resume behind an event.',
    params: idOf('job', 'job'),
    querystring: Page,
    headers: z.looseObject({
      accept: z.string().optional().describe('`text/event-stream` for a stream'),
      'last-event-id': z.string().max(200).optional().describe('id of the last event seen'),
    }),
    response: { 200: answer('A page of events, or the stream', EventList) },
    'x-errors': ['not_found', 'not_acceptable'],
    'x-document': EVENT_STREAM,
  },
  async ({ deps, owner, params, query, headers, request, reply }) => {
    const after = headers['last-event-id'] ?? query.after
    reply.header('vary', 'Accept')
    if (negotiate(headers.accept, ['application/json', 'text/event-stream']) === 'application/json') {
      const page = await readEvents(deps, owner, params.id, { limit: query.limit, after })
      return { object: 'list', ...page, next_cursor: page.has_more ? (page.data.at(-1)?.id ?? null) : null }
    }
    await getJob(deps, owner, params.id)
    const events = followEvents(deps, owner, params.id, { after, signal: request.gone })
    return reply.headers(SSE_HEADERS).send(Readable.from(framesOf(events, request.gone), { objectMode: false }))
  },
)
