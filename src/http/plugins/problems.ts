/** Every refusal of the API, Fastify's and Node's own included, leaves as problem+json. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isAsking } from '../expect.ts'
import { notFound } from '../not-found.ts'
import { originOf } from '../origin.ts'
import { toFewbitError, toProblem } from '../problem.ts'

const RETRY_AFTER_SECONDS = 2
const LINGER_MS = 5000

export function problems(app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => refuse(request, reply, error))
  app.setNotFoundHandler((request, reply) => refuse(request, reply, notFound(app, request, reply)))
  app.addHook('onResponse', async (request) => discardRest(request))
}

export function refuse(request: FastifyRequest, reply: FastifyReply, thrown: unknown): FastifyReply {
  const error = toFewbitError(thrown)
  if (error.status >= 500) request.log.error({ err: error.extra.cause ?? error, code: error.code }, error.message)
  if (error.retryable && error.status !== 500) reply.header('retry-after', RETRY_AFTER_SECONDS)
  // a client that was not invited to send its body must not send it as the next request
  if (isAsking(request)) reply.header('connection', 'close')
  const { url, id } = request
  return reply
    .code(error.status)
    .header('x-request-id', id)
    .header('cache-control', 'no-store')
    .header('content-type', 'application/problem+json; charset=utf-8')
    .serializer((payload: string) => payload)
    .send(JSON.stringify(toProblem(error, { url, id, origin: originOf(request) })))
}

/** A client may still be sending what was refused: read it away for a while, so that it sees the answer and no reset. */
function discardRest(request: FastifyRequest): void {
  const { raw } = request
  if (raw.complete || raw.destroyed) return
  raw.unpipe()
  raw.on('error', () => {})
  raw.resume()
  const timer = setTimeout(() => raw.destroy(), LINGER_MS).unref()
  raw.once('close', () => clearTimeout(timer))
}
