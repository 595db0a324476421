/** Serves stored bytes: strong ETag, If-None-Match, Range and If-Range, digest (RFC 9110, RFC 9530). */
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { FewbitError } from '../shared/errors.ts'
import type { Content } from '../storage/content.ts'
import type { ByteRange } from '../storage/store.ts'
import { toBase64 } from './declared-digest.ts'
import { matchesEtag, requireMatch } from './etag.ts'
import { parseRange } from './range.ts'

/** Pages are made by confined processes that read what strangers sent: a browser may show them, and let them do nothing. */
const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
const IMMUTABLE = 'private, max-age=31536000, immutable'

export interface ContentCall {
  request: FastifyRequest
  reply: FastifyReply
}

export async function sendContent({ request, reply }: ContentCall, content: Content): Promise<FastifyReply> {
  const etag = `"sha256-${content.sha256}"`
  requireMatch(request.headers['if-match'], etag)
  if (matchesEtag(request.headers['if-none-match'], etag)) {
    return reply.code(304).headers({ etag, 'cache-control': IMMUTABLE }).send()
  }
  const range = rangeOf(request, reply, content, etag)
  // for an answer without a body Fastify would say that its length is 0
  if (request.method === 'HEAD') return reply.headers(headersOf(content, etag, range)).send(Readable.from([]))
  const stream = await content.open(range)
  return reply
    .code(range ? 206 : 200)
    .headers(headersOf(content, etag, range))
    .send(stream)
}

function rangeOf(request: FastifyRequest, reply: FastifyReply, content: Content, etag: string): ByteRange | undefined {
  const { range, 'if-range': ifRange } = request.headers
  if (!range || request.method !== 'GET' || (ifRange && ifRange !== etag)) return undefined
  const parsed = parseRange(range, content.size)
  if (parsed !== 'unsatisfiable') return parsed
  reply.header('content-range', `bytes */${content.size}`)
  throw new FewbitError('range_not_satisfiable', `the content has ${content.size} bytes`)
}

function headersOf(content: Content, etag: string, range: ByteRange | undefined): Record<string, string | number> {
  const isPage = content.contentType.startsWith('text/html')
  const name = content.filename.replace(/[^\w.-]/g, '_')
  return {
    etag,
    'accept-ranges': 'bytes',
    'cache-control': IMMUTABLE,
    'content-disposition': `${isPage ? 'inline' : 'attachment'}; filename="${name}"`,
    'content-length': range ? range.end - range.start + 1 : content.size,
    'content-type': content.contentType,
    'repr-digest': `sha-256=:${toBase64(content.sha256)}:`,
    'x-content-type-options': 'nosniff',
    ...(isPage && { 'content-security-policy': PAGE_POLICY }),
    ...(range && { 'content-range': `bytes ${range.start}-${range.end}/${content.size}` }),
  }
}
