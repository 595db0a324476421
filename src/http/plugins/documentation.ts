/** The OpenAPI document, written from the route schemas, and the pages that show it. */
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod'
import { stringify } from 'yaml'
import { nameComponents } from '../document/components.ts'
import { finish } from '../document/finish.ts'
import { INFO } from '../document/info.ts'

const OWN_PAGES = ['/openapi.json', '/openapi.yaml', '/docs']

export function documentation(app: FastifyInstance): void {
  const schemaRegistry = nameComponents()
  const transformObject = createJsonSchemaTransformObject({ schemaRegistry })
  app.register(swagger, {
    openapi: INFO,
    exposeHeadRoutes: false,
    convertConstToEnum: false,
    transform: createJsonSchemaTransform({ schemaRegistry, skipList: OWN_PAGES }),
    transformObject: (document) => finish(transformObject(document) as Record<string, unknown>),
  })
  app.register(swaggerUi, { routePrefix: '/docs', uiConfig: { tryItOutEnabled: true } })
  app.register(async (scope) => {
    scope.get('/openapi.json', { schema: { hide: true } }, async () => scope.swagger())
    scope.get('/openapi.yaml', { schema: { hide: true } }, async (_request, reply) =>
      reply.type('application/yaml; charset=utf-8').send(toYaml(scope)),
    )
  })
}

/** The text of the committed openapi.yaml. */
export function toYaml(app: FastifyInstance): string {
  return stringify(app.swagger(), { aliasDuplicateObjects: false, lineWidth: 120 })
}
