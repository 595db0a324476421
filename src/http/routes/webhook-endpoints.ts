/** /v1/webhook-endpoints: addresses that are told of every job of their owner. */
import { z } from 'zod'
import { idPattern } from '../../shared/ids.ts'
import { patchEndpoint, rotateSecret } from '../../webhooks/endpoints/change-endpoint.ts'
import { createEndpoint } from '../../webhooks/endpoints/create-endpoint.ts'
import { deleteEndpoint } from '../../webhooks/endpoints/delete-endpoint.ts'
import {
  NewWebhookEndpoint,
  viewEndpoint,
  WebhookEndpoint,
  type WebhookEndpointRecord,
} from '../../webhooks/endpoints/endpoint.ts'
import { getEndpoint, listEndpoints } from '../../webhooks/endpoints/get-endpoint.ts'
import { WEBHOOK_EVENTS } from '../../webhooks/events.ts'
import { Conditions, sendUnlessKnown } from '../conditions.ts'
import { CONDITIONAL } from '../document/bodies.ts'
import { endpoint } from '../endpoint.ts'
import { requireMatch } from '../etag.ts'
import { answer, idOf, listOf, NoContent, pageOf } from '../shapes.ts'

const Id = idOf('whe', 'webhook endpoint')
const DAY_SECONDS = 86_400
const MOST_GRACE_SECONDS = 30 * DAY_SECONDS
const etagOf = ({ version }: WebhookEndpointRecord): string => `W/"${version}"`

const url = z.url().max(2048).describe('https, and public unless the operator allows more')
const events = z.array(z.enum(WEBHOOK_EVENTS)).min(1).max(WEBHOOK_EVENTS.length)
const description = z.string().max(500)

export const WebhookEndpointList = listOf(WebhookEndpoint)
export const WebhookEndpointRequest = z.strictObject({
  url,
  events: events.optional().describe('what it shall be told of; by default how jobs end'),
  description: description.optional(),
})
export const WebhookEndpointPatch = z.strictObject({
  url: url.optional(),
  events: events.optional(),
  description: description.optional(),
  status: z.enum(['enabled', 'disabled']).optional(),
})

export const create = endpoint(
  {
    operationId: 'createWebhookEndpoint',
    'x-idempotent': true,
    tags: ['webhooks'],
    summary: 'Register a webhook endpoint',
    description:
      'It is told of every job of its owner. The answer shows the secret with which its webhooks are signed (Standard Webhooks 1.0); no other answer does.',
    body: WebhookEndpointRequest,
    response: { 201: answer('The endpoint', NewWebhookEndpoint) },
    'x-errors': ['malformed_request', 'too_many_webhook_endpoints'],
  },
  async ({ deps, owner, body, reply, newId }) => {
    const made = await createEndpoint(deps, owner, newId('whe'), body)
    return reply
      .code(201)
      .headers({ location: `/v1/webhook-endpoints/${made.id}`, 'cache-control': 'no-store' })
      .send(made)
  },
)

export const list = endpoint(
  {
    operationId: 'listWebhookEndpoints',
    tags: ['webhooks'],
    summary: 'List webhook endpoints',
    description: 'Newest first, without their secrets.',
    querystring: pageOf(idPattern('whe')),
    response: { 200: answer('A page of webhook endpoints', WebhookEndpointList) },
  },
  async ({ deps, owner, query }) => {
    const page = await listEndpoints(deps, owner, query)
    return { object: 'list', ...page, data: page.data.map(viewEndpoint) }
  },
)

export const get = endpoint(
  {
    operationId: 'getWebhookEndpoint',
    tags: ['webhooks'],
    summary: 'Get a webhook endpoint',
    description: 'Its address, filter and state, without its secret.',
    params: Id,
    headers: Conditions,
    response: { 200: answer('The webhook endpoint', WebhookEndpoint) },
    'x-errors': ['not_found', 'precondition_failed'],
    'x-document': CONDITIONAL,
  },
  async ({ deps, owner, params, headers, reply }) => {
    const record = await getEndpoint(deps, owner, params.id)
    return sendUnlessKnown(reply, headers, etagOf(record), viewEndpoint(record))
  },
)

export const patch = endpoint(
  {
    operationId: 'updateWebhookEndpoint',
    tags: ['webhooks'],
    summary: 'Change a webhook endpoint',
    description:
      'What is not named stays. What waits to be sent goes to the new address. `"status": "enabled"` lets an endpoint go on that the service disabled.',
    params: Id,
    headers: Conditions,
    body: WebhookEndpointPatch,
    response: { 200: answer('The webhook endpoint as it is now', WebhookEndpoint) },
    'x-errors': ['malformed_request', 'not_found', 'precondition_failed'],
  },
  async ({ deps, owner, params, headers, body, reply }) => {
    const check = (record: WebhookEndpointRecord) => requireMatch(headers['if-match'], etagOf(record))
    const record = await patchEndpoint(deps, owner, params.id, body, check)
    reply.header('etag', etagOf(record))
    return viewEndpoint(record)
  },
)

export const remove = endpoint(
  {
    operationId: 'deleteWebhookEndpoint',
    tags: ['webhooks'],
    summary: 'Delete a webhook endpoint',
    description: 'With the log of its deliveries. What waits to be sent to it is not sent.',
    params: Id,
    headers: Conditions,
    response: { 204: NoContent },
    'x-errors': ['not_found', 'precondition_failed'],
  },
  async ({ deps, owner, params, headers, reply }) => {
    await deleteEndpoint(deps, owner, params.id, (record) => requireMatch(headers['if-match'], etagOf(record)))
    return reply.code(204).send()
  },
)

export const rotate = endpoint(
  {
    operationId: 'rotateWebhookSecret',
    'x-idempotent': true,
    tags: ['webhooks'],
    summary: 'Replace the secret of a webhook endpoint',
    description:
      'Answers with a new secret. For `grace_seconds` webhooks carry two signatures, one by each secret, so that a receiver can change over whenever it likes; a second rotation ends the grace of the first.',
    params: Id,
    querystring: z.strictObject({
      grace_seconds: z.coerce.number().int().min(0).max(MOST_GRACE_SECONDS).default(DAY_SECONDS),
    }),
    response: { 200: answer('The endpoint with its new secret', NewWebhookEndpoint) },
    'x-errors': ['not_found'],
  },
  async ({ deps, owner, params, query, reply }) => {
    reply.header('cache-control', 'no-store')
    return rotateSecret(deps, owner, params.id, query.grace_seconds)
  },
)
