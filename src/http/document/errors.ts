/** Error answers as reusable components: one for each status, with the codes that it may carry. */
import type { z } from 'zod'
import { type ErrorCode, errorRow } from '../../shared/errors.ts'
import type { Problem } from '../problem.ts'
import type { Json } from './json.ts'
import { mapOperations } from './operations.ts'

/** A request for a foreign host, or from a foreign page, comes nowhere. */
const ALWAYS: readonly ErrorCode[] = ['misdirected_request', 'cross_site_request', 'internal', 'unavailable']
const WITH_KEY: readonly ErrorCode[] = ['unauthenticated', 'insufficient_scope']
const WITH_INPUT: readonly ErrorCode[] = ['invalid_request']
const WITH_PATH: readonly ErrorCode[] = ['malformed_request', 'uri_too_long']
/** A body is read before anybody asks whether there should be one. */
const NOT_GET: readonly ErrorCode[] = ['malformed_request', 'payload_too_large', 'unsupported_media_type']
const WITH_IDEMPOTENCY: readonly ErrorCode[] = ['idempotency_key_in_use', 'idempotency_key_reused']

const NAMES: Record<number, string> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  406: 'NotAcceptable',
  409: 'Conflict',
  412: 'PreconditionFailed',
  413: 'ContentTooLarge',
  414: 'UriTooLong',
  415: 'UnsupportedMediaType',
  416: 'RangeNotSatisfiable',
  421: 'MisdirectedRequest',
  422: 'UnprocessableContent',
  429: 'TooManyRequests',
  500: 'InternalServerError',
  503: 'ServiceUnavailable',
  507: 'InsufficientStorage',
}
const WITH_RETRY_AFTER = new Set([429, 503])
const LIMITS = {
  'RateLimit-Policy': { description: 'the limits of the owner', schema: { type: 'string' } },
  RateLimit: { description: 'what is left of them', schema: { type: 'string' } },
}

const nameOf = (status: number): string => NAMES[status] ?? `Status${status}`

export function describeErrors(document: Json): Json {
  const used = new Set<ErrorCode>()
  const paths = mapOperations(
    document.paths as Json,
    ({ 'x-errors': own = [], 'x-idempotent': isKeyed, ...operation }, method) => {
      const said = [...(own as ErrorCode[]), ...(isKeyed ? WITH_IDEMPOTENCY : []), ...(method === 'get' ? [] : NOT_GET)]
      const codes = codesOf(operation, said)
      for (const code of codes) used.add(code)
      return { ...operation, responses: { ...referTo(codes), ...(operation.responses as Json) } }
    },
  )
  const components = { ...(document.components as Json), responses: responsesOf([...used]) }
  return { ...document, paths, components }
}

function codesOf(operation: Json, own: readonly ErrorCode[]): ErrorCode[] {
  const takesInput = operation.requestBody !== undefined || operation.parameters !== undefined
  const needsKey = Array.isArray(operation.security) && operation.security.length > 0
  const hasPath = ((operation.parameters ?? []) as Json[]).some((parameter) => parameter.in === 'path')
  return [
    ...new Set([
      ...own,
      ...(hasPath ? WITH_PATH : []),
      ...(needsKey ? WITH_KEY : []),
      ...(takesInput ? WITH_INPUT : []),
      ...ALWAYS,
    ]),
  ]
}

function referTo(codes: readonly ErrorCode[]): Json {
  const entries = codes.map((code) => errorRow(code).status)
  return Object.fromEntries(entries.map((status) => [status, { $ref: `#/components/responses/${nameOf(status)}` }]))
}

function responsesOf(codes: readonly ErrorCode[]): Json {
  const statuses = [...new Set(codes.map((code) => errorRow(code).status))].toSorted((a, b) => a - b)
  return Object.fromEntries(statuses.map((status) => [nameOf(status), responseOf(status, codes)]))
}

function responseOf(status: number, codes: readonly ErrorCode[]): Json {
  const rows = codes.filter((code) => errorRow(code).status === status)
  return {
    description: rows.map((code) => `\`${code}\`: ${errorRow(code).title}`).join('; '),
    ...(WITH_RETRY_AFTER.has(status) && {
      headers: {
        'Retry-After': { description: 'seconds to wait', schema: { type: 'integer' } },
        ...(status === 429 && LIMITS),
      },
    }),
    content: {
      'application/problem+json': {
        schema: { $ref: '#/components/schemas/Problem' },
        examples: Object.fromEntries(rows.map((code) => [code, { value: exampleOf(code) }])),
      },
    },
  }
}

/** What only the request decides stands for itself. */
function exampleOf(code: ErrorCode): z.infer<typeof Problem> {
  const { title, status } = errorRow(code)
  return {
    type: `https://fewbit.example/problems/${code}`,
    title,
    status,
    detail: `${title}: here stands what is wrong with this request`,
    instance: '/v1/jobs',
    code,
    request_id: 'req_01jq3m7v0c9p8x2t5k6h4w1e7d',
  }
}
