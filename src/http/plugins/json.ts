/** JSON bodies: where an endpoint needs none, an empty one is none, whatever the content type says. */
import type { FastifyInstance, FastifyRequest } from 'fastify'

export function json(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, text, done) => {
    if (text === '' && !needsBody(request)) done(null, undefined)
    else parse(request, text as string, done)
  })
}

const needsBody = ({ routeOptions }: FastifyRequest): boolean => routeOptions.schema?.body !== undefined
