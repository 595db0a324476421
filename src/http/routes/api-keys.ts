/** /v1/api-keys: who may call the API. */
import { z } from 'zod'
import { ApiKey, NewApiKey, OWNER, SCOPES } from '../../api-keys/api-key.ts'
import { createApiKey } from '../../api-keys/create-api-key.ts'
import { getApiKey } from '../../api-keys/get-api-key.ts'
import { listApiKeys } from '../../api-keys/list-api-keys.ts'
import { revokeApiKey } from '../../api-keys/revoke-api-key.ts'
import { rotateApiKey } from '../../api-keys/rotate-api-key.ts'
import { idPattern } from '../../shared/ids.ts'
import { endpoint } from '../endpoint.ts'
import { answer, idOf, listOf, NoContent, pageOf } from '../shapes.ts'

const Id = idOf('key', 'API key')
const DAY_SECONDS = 86_400
const MOST_GRACE_SECONDS = 30 * DAY_SECONDS
const Owner = z
  .string()
  .regex(OWNER, 'expected lower-case letters, digits, - and _')
  .optional()
  .describe("by default the caller's own; only the operator's keys may name another")
export const ApiKeyRequest = z.strictObject({
  name: z.string().min(1).max(200),
  scopes: z.array(z.enum(SCOPES)).min(1).max(SCOPES.length),
  owner: Owner,
})
export const ApiKeyList = listOf(ApiKey)

export const create = endpoint(
  {
    operationId: 'createApiKey',
    'x-idempotent': true,
    'x-scope': 'admin',
    tags: ['api-keys'],
    summary: 'Make an API key',
    description:
      'The answer shows the key; it is kept only as a hash and never shown again. Models, data sets, jobs and keys belong to the owner of the key that made them, and other owners cannot see them.',
    body: ApiKeyRequest,
    response: { 201: answer('The key', NewApiKey) },
    'x-errors': ['malformed_request', 'too_many_api_keys'],
  },
  async ({ deps, caller, body, reply }) => {
    const key = await createApiKey(deps, caller, body)
    return reply
      .code(201)
      .headers({ location: `/v1/api-keys/${key.id}`, 'cache-control': 'no-store' })
      .send(key)
  },
)

export const list = endpoint(
  {
    operationId: 'listApiKeys',
    'x-scope': 'admin',
    tags: ['api-keys'],
    summary: 'List API keys',
    description: 'Newest first, without the keys themselves. The bootstrap key is not among them.',
    querystring: pageOf(idPattern('key')).extend({ owner: Owner }),
    response: { 200: answer('A page of API keys', ApiKeyList) },
  },
  async ({ deps, caller, query }) => ({ object: 'list', ...(await listApiKeys(deps, caller, query)) }),
)

export const get = endpoint(
  {
    operationId: 'getApiKey',
    'x-scope': 'admin',
    tags: ['api-keys'],
    summary: 'Get an API key',
    description: 'What it may do and when it was used last, without the key itself.',
    params: Id,
    response: { 200: answer('The API key', ApiKey) },
    'x-errors': ['not_found'],
  },
  ({ deps, caller, params }) => getApiKey(deps, caller, params.id),
)

export const rotate = endpoint(
  {
    operationId: 'rotateApiKey',
    'x-idempotent': true,
    'x-scope': 'admin',
    tags: ['api-keys'],
    summary: 'Rotate an API key',
    description:
      'Answers with a new key under the same id. The old one goes on working for `grace_seconds`, and one that was still in its grace ends.',
    params: Id,
    querystring: z.strictObject({
      grace_seconds: z.coerce.number().int().min(0).max(MOST_GRACE_SECONDS).default(DAY_SECONDS),
    }),
    response: { 200: answer('The new key', NewApiKey) },
    'x-errors': ['not_found'],
  },
  async ({ deps, caller, params, query, reply }) => {
    reply.header('cache-control', 'no-store')
    return rotateApiKey(deps, caller, params.id, query.grace_seconds)
  },
)

export const revoke = endpoint(
  {
    operationId: 'revokeApiKey',
    'x-scope': 'admin',
    tags: ['api-keys'],
    summary: 'Revoke an API key',
    description: 'It stops working at once, and so does the one before its last rotation.',
    params: Id,
    response: { 204: NoContent },
    'x-errors': ['not_found'],
  },
  async ({ deps, caller, params, reply }) => {
    await revokeApiKey(deps, caller, params.id)
    return reply.code(204).send()
  },
)
