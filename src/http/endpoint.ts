/** One row of the API: a schema and the function that answers, typed by it. */
import type { FastifyContextConfig, FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify'
import type { z } from 'zod'
import type { Caller } from '../api-keys/api-key.ts'
import type { Deps } from '../deps.ts'
import type { ErrorCode } from '../shared/errors.ts'
import { type IdPrefix, idWith, newId } from '../shared/ids.ts'
import { type Access, authorize } from './authorize.ts'
import { once } from './once.ts'

export interface EndpointSchema extends FastifySchema {
  operationId: string
  tags: [string]
  summary: string
  description: string
  params?: z.ZodType
  querystring?: z.ZodType
  headers?: z.ZodType
  body?: z.ZodType
  response?: Record<number, unknown>
  /** what the caller's key must allow; by default read for GET and write for the rest */
  'x-scope'?: Access
  /** creates something: takes an Idempotency-Key. A handler that reads its body itself says when it knows the payload */
  'x-idempotent'?: true
  /** what this endpoint refuses with, besides what all may */
  'x-errors'?: readonly ErrorCode[]
  /** additions to the operation in the OpenAPI document that zod cannot say */
  'x-document'?: Record<string, unknown>
}

type Parsed<T> = T extends z.ZodType ? z.output<T> : undefined

export interface Call<S extends EndpointSchema> {
  deps: Deps
  owner: string
  caller: Caller
  request: FastifyRequest
  reply: FastifyReply
  params: Parsed<S['params']>
  query: Parsed<S['querystring']>
  headers: Parsed<S['headers']>
  body: Parsed<S['body']>
  /** for what this request makes: the same id when it is repeated with its Idempotency-Key */
  newId(prefix: IdPrefix): string
}

export interface Endpoint {
  schema: EndpointSchema
  handler(deps: Deps, request: FastifyRequest, reply: FastifyReply): Promise<unknown>
}

export function endpoint<const S extends EndpointSchema>(schema: S, answer: (call: Call<S>) => unknown): Endpoint {
  return {
    schema,
    // Fastify has parsed these parts by the same schema before the handler runs
    handler: async (deps, request, reply) =>
      answer({
        deps,
        owner: request.caller.owner,
        caller: request.caller,
        request,
        reply,
        params: request.params as Parsed<S['params']>,
        query: request.query as Parsed<S['querystring']>,
        headers: request.headers as Parsed<S['headers']>,
        body: request.body as Parsed<S['body']>,
        newId: (prefix) => (request.keyed ? idWith(prefix, request.keyed.reserved) : newId(prefix)),
      }),
  }
}

export type Row = readonly [method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', url: string, row: Endpoint]

/** Binds a row to its method and path. */
export function mount(app: FastifyInstance, deps: Deps, rows: readonly Row[], config: FastifyContextConfig = {}): void {
  for (const [method, url, row] of rows) {
    const scope = row.schema['x-scope'] ?? (method === 'GET' ? 'read' : 'write')
    app.route({
      method,
      url,
      config,
      schema: { ...row.schema, 'x-scope': scope },
      // before the body is read
      onRequest: async (request, reply) => {
        request.caller = await authorize(deps, request, reply, scope)
      },
      handler: (request, reply) => {
        const own = depsOf(deps, request)
        const handle = () => row.handler(own, request, reply)
        return row.schema['x-idempotent'] ? once({ deps: own, request, reply }, handle) : handle()
      },
    })
  }
}

/** So that what a verb logs, and the jobs that it makes, name the request. */
function depsOf(deps: Deps, { id: request_id, log, span }: FastifyRequest): Deps {
  return { ...deps, log: log as Deps['log'], correlation: { request_id, traceparent: span?.traceparent } }
}
