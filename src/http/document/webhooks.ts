/** What the service sends to webhooks (Standard Webhooks 1.0). */
import { COMPARISON_WEBHOOK_EVENTS, JOB_WEBHOOK_EVENTS, TEST_EVENT } from '../../webhooks/events.ts'
import type { Json } from './json.ts'

const header = (name: string, description: string): Json => ({
  name,
  in: 'header',
  required: true,
  description,
  schema: { type: 'string' },
})

const HEADERS = [
  header('webhook-id', 'of the event: the same in every attempt, to every receiver, and when it is sent again'),
  header('webhook-timestamp', 'seconds since 1970 of this attempt'),
  header(
    'webhook-signature',
    '`v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`; two of them, divided by a space, while a secret is being replaced',
  ),
]

const JOB: Json = { $ref: '#/components/schemas/Job' }
const COMPARISON: Json = { $ref: '#/components/schemas/ComparisonSummary' }
const TESTED: Json = {
  type: 'object',
  required: ['endpoint_id'],
  properties: { endpoint_id: { type: 'string', description: 'whe_…' } },
}

/** `job.succeeded` → `onJobSucceeded` */
const operationIdOf = (event: string): string =>
  `on${event
    .split('.')
    .map((word) => word[0]!.toUpperCase() + word.slice(1))
    .join('')}`

export const WEBHOOKS: Json = Object.fromEntries([
  ...JOB_WEBHOOK_EVENTS.map((event) => [event, operationOf(event, `A job sent ${event}`, JOB)]),
  ...COMPARISON_WEBHOOK_EVENTS.map((event) => [event, operationOf(event, `A comparison sent ${event}`, COMPARISON)]),
  [TEST_EVENT, operationOf(TEST_EVENT, 'The owner of an endpoint asked for a test', TESTED)],
])

function operationOf(event: string, summary: string, data: Json): Json {
  const operation = {
    operationId: operationIdOf(event),
    tags: ['webhooks'],
    summary,
    description: 'Any 2xx is success, 410 disables an endpoint; anything else is tried again.',
    parameters: HEADERS,
    requestBody: { required: true, content: { 'application/json': { schema: bodyOf(event, data) } } },
    responses: { '2XX': { description: 'received' } },
  }
  return { post: operation }
}

function bodyOf(event: string, data: Json): Json {
  return {
    type: 'object',
    required: ['type', 'timestamp', 'data'],
    properties: {
      type: { type: 'string', const: event },
      timestamp: { type: 'string', format: 'date-time' },
      data,
    },
  }
}
