/** `Expect: 100-continue` (RFC 9110 §10.1.1): a client that asks first is told to go on only when all that its head says is acceptable. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { notFound } from './not-found.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** the handler reads the body, and invites it */
    streams?: boolean
  }
}

const asking = new WeakSet<IncomingMessage>()

/** Whether the client still waits for a word before it sends its body. */
export const isAsking = (request: FastifyRequest): boolean => asking.has(request.raw)

/** The body may come. */
export function invite(request: FastifyRequest, reply: FastifyReply): void {
  if (asking.delete(request.raw)) reply.raw.writeContinue()
}

/** Node would invite everybody at once. Bodies that Fastify reads are invited when they are not too large. */
export function expect(app: FastifyInstance): void {
  const server = app.server as Server
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    asking.add(request)
    server.emit('request', request, response)
  })
  app.addHook('preParsing', async (request, reply, payload) => {
    if (request.is404 && isAsking(request)) throw notFound(app, request, reply)
    const { bodyLimit, config } = request.routeOptions
    if (!config.streams && Number(request.headers['content-length'] ?? 0) <= bodyLimit) invite(request, reply)
    return payload
  })
}
