/** What there is at a path: nothing, or other methods. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { FewbitError } from '../shared/errors.ts'
import { cut } from '../shared/some.ts'
import { allowedMethods } from './allowed-methods.ts'

export function notFound(app: FastifyInstance, request: FastifyRequest, reply: FastifyReply): FewbitError {
  const path = request.url.split('?')[0]!
  const methods = allowedMethods(app.routePatterns, path)
  if (methods.length === 0) return new FewbitError('not_found', `there is nothing at ${cut(path)}`)
  reply.header('allow', methods.join(', '))
  return new FewbitError('method_not_allowed', `${cut(path)} knows ${methods.join(', ')}`)
}
