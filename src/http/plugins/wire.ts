/** Answers what never becomes a request: bytes that are not HTTP, fields that are too long or too slow, methods without a path. */
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { FewbitError } from '../../shared/errors.ts'
import { originOfSocket } from '../origin.ts'
import { toProblem } from '../problem.ts'
import { newRequestId } from './requests.ts'

/** Node's parser refuses header fields past this, the request line included */
const OVERFLOW = 'HPE_HEADER_OVERFLOW'
const LONG_LINE = /^[A-Z]{1,20} [^\r\n]{4096}/

/** as Node emits it; Fastify's type of the packet is that of its JSON */
type ParserError = Error & { code?: string; rawPacket?: unknown }

const REFUSALS: Record<string, (error: ParserError) => FewbitError> = {
  ERR_HTTP_REQUEST_TIMEOUT: () => new FewbitError('request_timeout', 'the request did not arrive in time'),
  HPE_CHUNK_EXTENSIONS_OVERFLOW: () => new FewbitError('payload_too_large', 'the chunk extensions are too long'),
  [OVERFLOW]: ({ rawPacket }) =>
    Buffer.isBuffer(rawPacket) && LONG_LINE.test(rawPacket.subarray(0, 8192).toString('latin1'))
      ? new FewbitError('uri_too_long', 'the request target is too long')
      : new FewbitError('headers_too_large', 'the header fields are too large'),
}

/** Fastify's option `clientErrorHandler`. */
export function refuseOnSocket(error: ParserError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const refusal = REFUSALS[error.code ?? '']?.(error) ?? new FewbitError('malformed_request', 'this is not HTTP/1.1')
  refuseSocket(socket, refusal)
}

/** Node answers expectations and CONNECT itself, or not at all, unless somebody listens. */
export function wire(app: FastifyInstance): void {
  const server = app.server as Server
  server.on('checkExpectation', ({ headers, socket }: IncomingMessage, response: ServerResponse) => {
    const refusal = new FewbitError(
      'expectation_failed',
      `nobody here can meet ${String(headers.expect).slice(0, 100)}`,
    )
    if (!response.destroyed) refuseSocket(socket, refusal)
  })
  server.on('connect', (_request: IncomingMessage, socket: Duplex) =>
    refuseSocket(socket as Socket, new FewbitError('method_not_allowed', 'this is no proxy: there is no CONNECT')),
  )
}

const LINGER_MS = 1000
const answered = new WeakSet<object>()

/** Writes a whole answer, unless one has begun, and closes when the client has had time to read it: bytes left unread reset a connection. */
export function refuseSocket(socket: Socket, error: FewbitError): void {
  if (answered.has(socket)) return
  answered.add(socket)
  if (socket.writable) socket.end(hasBegun(socket) ? '' : textOf(error, socket))
  socket.on('error', () => {})
  socket.resume()
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref()
  socket.once('close', () => clearTimeout(timer))
}

function hasBegun(socket: object): boolean {
  const { _httpMessage: message } = socket as { _httpMessage?: ServerResponse | null }
  return message?.headersSent ?? false
}

function textOf(error: FewbitError, socket: Socket): string {
  const id = newRequestId()
  const body = JSON.stringify(toProblem(error, { url: '', id, origin: originOfSocket(socket) }))
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`,
    'content-type: application/problem+json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'cache-control: no-store',
    'connection: close',
    `x-request-id: ${id}`,
    `date: ${new Date().toUTCString()}`,
  ]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}
