/** /v1/jobs/{id}/events: a job's history, as a list or as a live stream. */
import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { z } from 'zod'
import type { Deps } from '../../deps.ts'
import { followEvents } from '../../jobs/events/follow-events.ts'
import { EVENT_ID, readEvents } from '../../jobs/events/read-events.ts'
import { getJob } from '../../jobs/get-job.ts'
import { isTerminal, JobEvent } from '../../jobs/record/job.ts'
import { negotiate } from '../accept.ts'
import { EVENT_STREAM } from '../document/bodies.ts'
import { endpoint } from '../endpoint.ts'
import { answer, idOf, listOf, pageOf } from '../shapes.ts'
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
      'A JSON list, oldest first; or, with `Accept: text/event-stream`, a stream that stays open until the job has finished. Who connects again behind the last event of a finished job is answered 204, which tells a browser to stop. Ids are the same in both: `Last-Event-ID` and `?after=` resume behind an event.',
    params: idOf('job', 'job'),
    querystring: pageOf(EVENT_ID),
    headers: z.looseObject({
      accept: z.string().optional().describe('`text/event-stream` for a stream'),
      'last-event-id': z
        .string()
        .max(200)
        .regex(EVENT_ID, 'not the id of an event')
        .optional()
        .describe('id of the last event seen'),
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
    if (await isOver(deps, owner, params.id, after)) return reply.code(204).send()
    // for an answer without a body Fastify would say that its length is 0
    if (request.method === 'HEAD') return reply.headers(SSE_HEADERS).send(Readable.from([]))
    request.gone.addEventListener('abort', () => cutWhoDoesNotRead(reply.raw), { once: true })
    const events = followEvents(deps, owner, params.id, { after, signal: request.gone })
    return reply.headers(SSE_HEADERS).send(Readable.from(framesOf(events, request.gone), { objectMode: false }))
  },
)

const FLUSH_MS = 500

/** When the server closes, a stream ends at once: clients connect again where they stopped. */
function cutWhoDoesNotRead(response: ServerResponse): void {
  const timer = setTimeout(() => response.destroy(), FLUSH_MS)
  response.once('close', () => clearTimeout(timer))
}

/** Whether a stream behind `after` would be empty for ever. Throws not_found. */
async function isOver(deps: Deps, owner: string, id: string, after: string | undefined): Promise<boolean> {
  const { status } = await getJob(deps, owner, id)
  if (after === undefined || !isTerminal(status)) return false
  return (await readEvents(deps, owner, id, { after, limit: 1 })).data.length === 0
}
