/** One attempt to deliver a webhook: looks up what is to be sent to whom, sends it, and writes down what came of it. */
import { type Job, UnrecoverableError } from 'bullmq'
import { loadComparison } from '../src/comparisons/load-comparison.ts'
import type { Deps } from '../src/deps.ts'
import { loadJob } from '../src/jobs/record/load-job.ts'
import type { Delivery, Notice } from '../src/queue/queues.ts'
import { isId } from '../src/shared/ids.ts'
import type { DeliveryRecord } from '../src/webhooks/deliveries/delivery.ts'
import { findBody, findDelivery } from '../src/webhooks/deliveries/get-delivery.ts'
import { giveUp, type Noted, noteAttempt } from '../src/webhooks/deliveries/note-attempt.ts'
import { secretsOf } from '../src/webhooks/endpoints/endpoint.ts'
import { findEndpoint } from '../src/webhooks/endpoints/get-endpoint.ts'
import { TEST_EVENT } from '../src/webhooks/events.ts'
import { delayBefore } from '../src/webhooks/retry-delays.ts'
import { type Letter, type Sender, sendWebhook } from '../src/webhooks/send-webhook.ts'
import { getWebhookSecret } from '../src/webhooks/webhook-secret.ts'
import { persist } from './attempt/persist.ts'

/** A letter, and where to write down what becomes of it. */
export interface Errand extends Letter {
  /** of the errand: the same event may go to several receivers */
  id: string
  owner: string
  /** id of the job or comparison that it tells of; null of a test */
  subject: string | null
  note(noted: Noted): Promise<void>
}

export class DeliveryFailed extends Error {
  readonly delayMs: number
  constructor(reason: string, delayMs: number) {
    super(reason)
    this.delayMs = delayMs
  }
}

/** Null when nothing is to be sent any more. Throws unavailable. */
export function errandOf(deps: Deps, entry: Delivery | Notice): Promise<Errand | null> {
  return 'deliveryId' in entry ? endpointErrand(deps, entry) : jobErrand(deps, entry)
}

async function jobErrand(deps: Deps, delivery: Delivery): Promise<Errand | null> {
  const { eventId, subject, owner, ownSecret } = delivery
  const secret = ownSecret ? await ownSecretOf(deps, subject) : await getWebhookSecret(deps, owner)
  return secret ? { ...delivery, id: eventId, secrets: [secret], note: async () => {} } : null
}

async function ownSecretOf(deps: Deps, id: string): Promise<string | null | undefined> {
  const found = isId('cmp', id) ? await loadComparison(deps, id) : (await loadJob(deps, id))?.record
  return found?.webhook_secret
}

async function endpointErrand(deps: Deps, { deliveryId, run }: Notice): Promise<Errand | null> {
  const delivery = await findDelivery(deps, deliveryId)
  if (delivery?.run !== run) return null
  const { owner, endpoint_id, event_id, event_type, job_id, comparison_id } = delivery
  const [endpoint, body] = await Promise.all([findEndpoint(deps, endpoint_id), findBody(deps, event_id)])
  if (!endpoint || body === null) return null
  if (endpoint.status === 'disabled' && event_type !== TEST_EVENT) return stop(deps, delivery)
  const { url } = endpoint
  const note = (noted: Noted) => noteAttempt(deps, delivery, url, noted)
  const told = { owner, subject: job_id ?? comparison_id, eventId: event_id, url, body }
  return { ...told, id: deliveryId, secrets: secretsOf(endpoint), note }
}

async function stop(deps: Deps, delivery: DeliveryRecord): Promise<null> {
  await giveUp(deps, delivery, 'the endpoint is disabled')
  return null
}

interface Sending {
  sender: Sender
  delays: readonly number[]
}

/** Throws DeliveryFailed when it shall be tried again, and UnrecoverableError when not. */
export async function deliver(deps: Deps, { sender, delays }: Sending, errand: Errand, entry: Job): Promise<void> {
  const at = new Date()
  const result = await sendWebhook(sender, errand)
  const durationMs = Date.now() - at.getTime()
  const failures = entry.attemptsMade + 1
  const isLast = result.ok || result.final || failures >= (entry.opts.attempts ?? 1)
  const delayMs = isLast ? null : delayBefore(delays, failures, result.retryAfterMs, Math.random())
  const outcome = result.ok ? 'delivered' : delayMs === null ? 'given_up' : 'to_be_retried'
  deps.metrics.deliveries.inc({ outcome })
  deps.metrics.deliverySeconds.observe({ outcome }, durationMs / 1000)
  await persist(() => errand.note({ result, at, durationMs, nextAttemptMs: delayMs }))
  const told = { ...subjectOf(errand), event_id: errand.eventId }
  if (result.ok) return deps.log.info({ ...told, status: result.status }, 'webhook delivered')
  deps.log.warn({ ...told, reason: result.reason }, 'webhook not delivered')
  throw delayMs === null ? new UnrecoverableError(result.reason) : new DeliveryFailed(result.reason, delayMs)
}

function subjectOf({ subject }: Errand): Record<string, string> {
  if (subject === null) return {}
  return { [isId('cmp', subject) ? 'comparison_id' : 'job_id']: subject }
}
