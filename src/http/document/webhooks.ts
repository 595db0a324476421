/** What the service sends to webhooks (Standard Webhooks 1.0). */
import { COMPARISON_WEBHOOK_EVENTS, JOB_WEBHOOK_EVENTS, TEST_EVENT } from '../../webhooks/events.ts'
import { COMPARISON_SUMMARY } from './examples/comparison.ts'
import { JOB as JOB_EXAMPLE } from './examples/job.ts'
import { WEBHOOK_DELIVERY_WITH_PAYLOAD } from './examples/webhooks.ts'
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

/** What an event tells of. */
interface Told {
  schema: Json
  example(event: string): unknown
}

/** `job.succeeded` → `succeeded` */
const statusIn = (event: string): string => (event.endsWith('.started') ? 'running' : (event.split('.')[1] ?? ''))

const JOB: Told = {
  schema: { $ref: '#/components/schemas/Job' },
  example: (event) => ({ ...JOB_EXAMPLE, status: statusIn(event) }),
}
const COMPARISON: Told = {
  schema: { $ref: '#/components/schemas/ComparisonSummary' },
  example: (event) => ({ ...COMPARISON_SUMMARY, status: statusIn(event) }),
}
const TESTED: Told = {
  schema: {
    type: 'object',
    required: ['endpoint_id'],
    properties: { endpoint_id: { type: 'string', description: 'whe_…' } },
  },
  example: () => ({ endpoint_id: WEBHOOK_DELIVERY_WITH_PAYLOAD.endpoint_id }),
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

function operationOf(event: string, summary: string, told: Told): Json {
  const operation = {
    operationId: operationIdOf(event),
    tags: ['webhooks'],
    summary,
    description: 'Any 2xx is success, 410 disables an endpoint; anything else is tried again.',
    parameters: HEADERS,
    requestBody: { required: true, content: { 'application/json': bodyOf(event, told) } },
    responses: { '2XX': { description: 'received' } },
  }
  return { post: operation }
}

function bodyOf(type: string, { schema, example }: Told): Json {
  return {
    schema: {
      type: 'object',
      required: ['type', 'timestamp', 'data'],
      properties: {
        type: { type: 'string', const: type },
        timestamp: { type: 'string', format: 'date-time' },
        data: schema,
      },
    },
    example: { type, timestamp: JOB_EXAMPLE.finished_at, data: example(type) },
  }
}
