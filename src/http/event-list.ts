/** The endpoint of a history: as a list, or as a live stream. */

import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { EVENT_ID, type Followed, follow } from '../queue/read-stream.ts'
import { negotiate } from './accept.ts'
import { pageOf } from './shapes.ts'
import { type Framed, framesOf } from './sse.ts'

const SSE_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
}

export const DESCRIPTION =
  'A JSON list, oldest first; or, with `Accept: text/event-stream`, a stream that stays open until the end. Who connects again behind the last event is answered 204, which tells a browser to stop. Ids are the same in both: `Last-Event-ID` and `?after=` resume behind an event.'

export const EventQueryString = pageOf(EVENT_ID)

export const EventHeaders = z.looseObject({
  accept: z.string().optional().describe('`text/event-stream` for a stream'),
  'last-event-id': z
    .string()
    .max(200)
    .regex(EVENT_ID, 'not the id of an event')
    .optional()
    .describe('id of the last event seen'),
})

interface EventCall {
  deps: Deps
  request: FastifyRequest
  reply: FastifyReply
  headers: z.output<typeof EventHeaders>
  query: z.output<typeof EventQueryString>
}

/** Throws what reading throws, and not_acceptable. */
export async function sendEvents<T extends Framed>(
  { deps, request, reply, headers, query }: EventCall,
  events: Followed<T>,
): Promise<unknown> {
  const after = headers['last-event-id'] ?? query.after
  reply.header('vary', 'Accept')
  if (negotiate(headers.accept, ['application/json', 'text/event-stream']) === 'application/json') {
    const page = await events.read({ limit: query.limit, after })
    return { object: 'list', ...page, next_cursor: page.has_more ? (page.data.at(-1)?.id ?? null) : null }
  }
  if (await isBehindTheLast(events, after)) return reply.code(204).send()
  // for an answer without a body Fastify would say that its length is 0
  if (request.method === 'HEAD') return reply.headers(SSE_HEADERS).send(Readable.from([]))
  request.gone.addEventListener('abort', () => cutWhoDoesNotRead(reply.raw), { once: true })
  const frames = framesOf(follow(deps, events, { after, signal: request.gone }), request.gone)
  return reply.headers(SSE_HEADERS).send(Readable.from(frames, { objectMode: false }))
}

const FLUSH_MS = 500

/** When the server closes, a stream ends at once: clients connect again where they stopped. */
function cutWhoDoesNotRead(response: ServerResponse): void {
  const timer = setTimeout(() => response.destroy(), FLUSH_MS)
  response.once('close', () => clearTimeout(timer))
}

/** Whether a stream behind `after` would be empty for ever. Throws not_found. */
async function isBehindTheLast<T>({ isOver, read }: Followed<T>, after: string | undefined): Promise<boolean> {
  const isFinished = await isOver()
  if (after === undefined || !isFinished) return false
  return (await read({ after, limit: 1 })).data.length === 0
}
