/** A span for each request, below that of the client if it has one; probes are left out. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Span, Tracing } from '../../telemetry/span.ts'

declare module 'fastify' {
  interface FastifyRequest {
    span: Span | null
  }
}

const PROBES = new Set(['/livez', '/readyz', '/metrics'])

export function trace(app: FastifyInstance, { start }: Tracing): void {
  app.decorateRequest('span', null)
  app.addHook('onRequest', async (request) => {
    const { url: route } = request.routeOptions
    if (route !== undefined && PROBES.has(route)) return
    request.span = start(route === undefined ? request.method : `${request.method} ${route}`, {
      kind: 'server',
      parent: parentOf(request),
      attributes: {
        'http.request.method': request.method,
        'fewbit.request_id': request.id,
        ...(route !== undefined && { 'http.route': route }),
      },
    })
  })
  app.addHook('onResponse', async ({ span }, { statusCode }) => {
    span?.set({ 'http.response.status_code': statusCode })
    span?.end(statusCode >= 500 ? `status ${statusCode}` : undefined)
  })
}

function parentOf({ headers: { traceparent } }: FastifyRequest): string | undefined {
  return typeof traceparent === 'string' ? traceparent : undefined
}
