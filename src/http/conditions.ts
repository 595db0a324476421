/** Conditional requests (RFC 9110 §13): If-Match before anything happens, If-None-Match for answers that the client has. */
import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { matchesEtag, requireMatch } from './etag.ts'

export const Conditions = z.looseObject({
  'if-match': z.string().optional().describe('the state that the resource must be in: its ETag, or `*`'),
  'if-none-match': z.string().optional().describe('the ETag seen last'),
})

/** Throws precondition_failed. */
export function sendUnlessKnown<T>(
  reply: FastifyReply,
  headers: z.output<typeof Conditions>,
  etag: string,
  value: T,
): T | FastifyReply {
  requireMatch(headers['if-match'], etag)
  reply.headers({ etag, 'cache-control': 'private, no-cache' })
  return matchesEtag(headers['if-none-match'], etag) ? reply.code(304).send() : value
}
