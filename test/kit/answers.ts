/** Every JSON answer of the API in this process must be what its route's schema says, with nothing left over. */
import assert from 'node:assert/strict'
import type { FastifyInstance } from 'fastify'
import type { z } from 'zod'

interface Described {
  content?: Record<string, { schema?: z.ZodType }>
}

/** An answer that does not fit becomes a 500, so that the test that asked fails. */
export function requireSchemas(app: FastifyInstance): void {
  app.addHook('onSend', async (request, reply, payload) => {
    const responses = request.routeOptions.schema?.response as Record<number, Described> | undefined
    const schema = responses?.[reply.statusCode]?.content?.['application/json']?.schema
    const type = String(reply.getHeader('content-type') ?? '')
    if (schema && typeof payload === 'string' && type.startsWith('application/json'))
      check(schema, payload, request.url)
    return payload
  })
}

function check(schema: z.ZodType, text: string, url: string): void {
  const value: unknown = JSON.parse(text)
  const parsed = schema.safeParse(value)
  const problem = parsed.success ? null : parsed.error.message
  if (problem === null) assert.deepEqual(JSON.parse(JSON.stringify(parsed.data)), value, url)
  else throw new Error(`${url} does not answer as its schema says: ${problem}`)
}
