/** The record of a webhook endpoint: an address that is told of an owner's jobs. */
import { z } from 'zod'
import { WEBHOOK_EVENTS } from '../events.ts'

const time = z.iso.datetime()

export const WebhookEndpoint = z.object({
  id: z.string().describe('whe_…'),
  object: z.literal('webhook_endpoint'),
  url: z.string(),
  description: z.string(),
  events: z.array(z.enum(WEBHOOK_EVENTS)).describe('what it is told of'),
  status: z.enum(['enabled', 'disabled']).describe('a disabled endpoint is sent nothing but tests'),
  disabled_reason: z.string().nullable().describe('why the service disabled it; null where its owner did'),
  created_at: time,
  updated_at: time,
  rotated_at: time.nullable(),
  previous_secret_expires_at: time
    .nullable()
    .describe('until when webhooks are also signed with the secret before the last rotation'),
})
export type WebhookEndpoint = z.infer<typeof WebhookEndpoint>

/** What Redis holds. */
export interface WebhookEndpointRecord extends WebhookEndpoint {
  owner: string
  /** grows with every change; the weak ETag */
  version: number
  secret: string
  previous_secret: string | null
}

/** The answer that shows a secret, once. */
export const NewWebhookEndpoint = WebhookEndpoint.extend({
  secret: z.string().describe('whsec_…, as the libraries of Standard Webhooks take it; shown only now'),
})
export type NewWebhookEndpoint = z.infer<typeof NewWebhookEndpoint>

/** The record as the outside sees it. */
export function viewEndpoint(record: WebhookEndpointRecord): WebhookEndpoint {
  const { owner: _owner, version: _version, secret: _secret, previous_secret: _previous, ...visible } = record
  return visible
}

/** With what a webhook is signed now: during the grace after a rotation with both secrets. */
export function secretsOf(record: WebhookEndpointRecord, now = Date.now()): string[] {
  const { secret, previous_secret, previous_secret_expires_at: until } = record
  return previous_secret && until && now < Date.parse(until) ? [secret, previous_secret] : [secret]
}
