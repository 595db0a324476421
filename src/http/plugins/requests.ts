/** What every request gets: an id, log lines without bodies or query, and a signal that fires when nobody listens any more. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ulid } from 'ulid'
import type { Caller } from '../../api-keys/api-key.ts'
import type { Config } from '../../shared/config.ts'
import { FewbitError } from '../../shared/errors.ts'
import type { RoutePattern } from '../allowed-methods.ts'

declare module 'fastify' {
  interface FastifyInstance {
    routePatterns: RoutePattern[]
    publicUrl: string | undefined
    closing: AbortController
  }
  interface FastifyRequest {
    /** aborts when the client goes away or the server closes */
    gone: AbortSignal
    /** set before a handler of ours runs */
    caller: Caller
    /** the body before it was checked, which fills defaults in */
    sent: unknown
  }
}

export const newRequestId = (): string => `req_${ulid().toLowerCase()}`

export const logSerializers = {
  req: ({ method, url }: { method: string; url: string }) => ({ method, path: url.split('?')[0] }),
  res: ({ statusCode }: { statusCode: number }) => ({ statusCode }),
}

export function requests(app: FastifyInstance, { PUBLIC_URL }: Pick<Config, 'PUBLIC_URL'>): void {
  app.decorate('publicUrl', PUBLIC_URL)
  app.decorate('closing', new AbortController())
  app.decorate('routePatterns', [])
  app.decorateRequest('gone')
  app.decorateRequest('caller')
  app.decorateRequest('sent')
  app.addHook('preValidation', async (request) => {
    request.sent = request.body
  })
  app.addHook('onRoute', ({ method, url }) => {
    app.routePatterns.push({ methods: [method].flat(), url })
  })
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id)
    requireOneHost(request)
    refuseLongTarget(request)
    request.gone = AbortSignal.any([app.closing.signal, disconnected(request, reply.raw)])
  })
  app.addHook('preClose', async () => {
    app.closing.abort()
    leaveNoConnection(app)
  })
}

const CLOSING_MS = 50
const LAST_MS = 5000

/** A connection whose last answer was a stream, or a long poll, is not idle until that has ended; whoever does not read holds up nobody. */
function leaveNoConnection({ server }: FastifyInstance): void {
  const closing = setInterval(() => server.closeIdleConnections(), CLOSING_MS)
  const last = setTimeout(() => server.closeAllConnections(), LAST_MS)
  server.once('close', () => {
    clearInterval(closing)
    clearTimeout(last)
  })
}

const LONGEST_TARGET = 8000

/** RFC 9112 §3.2: exactly one, in a request of HTTP/1.1. */
function requireOneHost({ raw }: FastifyRequest): void {
  const count = raw.rawHeaders.filter((name, i) => i % 2 === 0 && /^host$/i.test(name)).length
  if (count === 1 || (count === 0 && raw.httpVersion === '1.0')) return
  throw new FewbitError('malformed_request', `the request has ${count || 'no'} Host fields`)
}

function refuseLongTarget({ raw }: FastifyRequest): void {
  if ((raw.url?.length ?? 0) > LONGEST_TARGET)
    throw new FewbitError('uri_too_long', `at most ${LONGEST_TARGET} characters are accepted`)
}

function disconnected(
  request: FastifyRequest,
  response: NodeJS.EventEmitter & { writableFinished: boolean },
): AbortSignal {
  const controller = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) controller.abort(new Error(`the client of ${request.id} went away`))
  })
  return controller.signal
}
