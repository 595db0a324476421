/** What the service sends to a job's webhook (Standard Webhooks 1.0). */
import { WEBHOOK_EVENTS } from '../../jobs/record/job.ts'
import type { Json } from './json.ts'

const header = (name: string, description: string): Json => ({
  name,
  in: 'header',
  required: true,
  description,
  schema: { type: 'string' },
})

const HEADERS = [
  header('webhook-id', 'the same in every attempt of a delivery'),
  header('webhook-timestamp', 'seconds since 1970 of this attempt'),
  header('webhook-signature', '`v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`'),
]

/** `job.succeeded` → `onJobSucceeded` */
const operationIdOf = (event: string): string =>
  `on${event
    .split('.')
    .map((word) => word[0]!.toUpperCase() + word.slice(1))
    .join('')}`

export const WEBHOOKS: Json = Object.fromEntries(WEBHOOK_EVENTS.map((event) => [event, { post: operationOf(event) }]))

function operationOf(event: string): Json {
  return {
    operationId: operationIdOf(event),
    tags: ['webhooks'],
    summary: `A job sent ${event}`,
    description: 'Any 2xx is success; anything else is tried again.',
    parameters: HEADERS,
    requestBody: { required: true, content: { 'application/json': { schema: bodyOf(event) } } },
    responses: { '2XX': { description: 'received' } },
  }
}

function bodyOf(event: string): Json {
  return {
    type: 'object',
    required: ['type', 'timestamp', 'data'],
    properties: {
      type: { type: 'string', const: event },
      timestamp: { type: 'string', format: 'date-time' },
      data: { $ref: '#/components/schemas/Job' },
    },
  }
}
