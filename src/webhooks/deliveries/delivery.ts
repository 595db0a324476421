/** The record of a delivery: what became of sending one event to one endpoint. */
import { z } from 'zod'

const time = z.iso.datetime()

export const WebhookAttempt = z.object({
  at: time,
  duration_ms: z.number().int(),
  status_code: z.number().int().nullable().describe('what the receiver answered; null where there was no answer'),
  error: z.string().nullable().describe('null where it was delivered'),
})
export type WebhookAttempt = z.infer<typeof WebhookAttempt>

export const WebhookDelivery = z.object({
  id: z.string().describe('dlv_…'),
  object: z.literal('webhook_delivery'),
  endpoint_id: z.string(),
  event_id: z.string().describe('evt_…; the same in the field `webhook-id` of every attempt, to every endpoint'),
  event_type: z.string(),
  job_id: z.string().nullable().describe('null where it tells of something else'),
  comparison_id: z.string().nullable().default(null).describe('null where it tells of something else'),
  status: z.enum(['pending', 'succeeded', 'failed']),
  attempt_count: z.number().int(),
  attempts: z.array(WebhookAttempt).describe('the last 20, oldest first'),
  next_attempt_at: time.nullable(),
  created_at: time,
})
export type WebhookDelivery = z.infer<typeof WebhookDelivery>

export const WebhookDeliveryWithPayload = WebhookDelivery.extend({
  payload: z.record(z.string(), z.unknown()).describe('the body that was, or will be, sent'),
})

/** What Redis holds. */
export interface DeliveryRecord extends WebhookDelivery {
  owner: string
  /** grows when the delivery is sent again at its owner's wish: entries of the queue from before do nothing */
  run: number
}

/** Deliveries can be looked at, and sent again, for a week: longer than the attempts take. */
export const KEPT_SECONDS = 7 * 86_400
/** of each endpoint */
export const MOST_KEPT = 1000

export function viewDelivery({ owner: _owner, run: _run, ...visible }: DeliveryRecord): WebhookDelivery {
  return visible
}
