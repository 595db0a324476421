/** Writes what came of an attempt into the log, and disables endpoints that are gone or have failed for days. */
import type { Deps } from '../../deps.ts'
import { changeRecord, setCommand } from '../change-record.ts'
import { disableEndpoint } from '../endpoints/change-endpoint.ts'
import { TEST_EVENT } from '../events.ts'
import { deliveryKey, successKey } from '../keys.ts'
import type { Attempt } from '../send-webhook.ts'
import type { DeliveryRecord, WebhookAttempt } from './delivery.ts'

type NoteDeps = Pick<Deps, 'config' | 'redis'>

export interface Noted {
  result: Attempt
  at: Date
  durationMs: number
  /** null: there will be none */
  nextAttemptMs: number | null
}

const MOST_ATTEMPTS = 20

/** `run`: of the queue's entry; one that was overtaken by a resend changes no status. `url`: where it was sent. */
export async function noteAttempt(deps: NoteDeps, delivery: DeliveryRecord, url: string, noted: Noted): Promise<void> {
  const key = deliveryKey(deps, delivery.id)
  await changeRecord<DeliveryRecord>(deps, key, (record) => [setCommand(key, withAttempt(record, delivery.run, noted))])
  const { result, nextAttemptMs } = noted
  if (result.ok) await deps.redis.set(successKey(deps, delivery.endpoint_id), noted.at.getTime())
  else if (result.final) await disableEndpoint(deps, delivery.endpoint_id, url, result.reason)
  else if (nextAttemptMs === null) await disableIfDead(deps, delivery, url)
}

function withAttempt(
  record: DeliveryRecord,
  run: number,
  { result, at, durationMs, nextAttemptMs }: Noted,
): DeliveryRecord {
  const attempt: WebhookAttempt = {
    at: at.toISOString(),
    duration_ms: Math.round(durationMs),
    status_code: result.status,
    error: result.ok ? null : result.reason,
  }
  const attempts = [...record.attempts, attempt].slice(-MOST_ATTEMPTS)
  const next = { ...record, attempts, attempt_count: record.attempt_count + 1 }
  if (record.run !== run) return next
  const status = result.ok ? 'succeeded' : nextAttemptMs === null ? 'failed' : 'pending'
  const next_attempt_at = nextAttemptMs === null ? null : new Date(Date.now() + nextAttemptMs).toISOString()
  return { ...next, status, next_attempt_at }
}

/** Nothing more is tried: the endpoint may be disabled, or its body kept no longer. */
export async function giveUp(deps: NoteDeps, { id, run }: DeliveryRecord, reason: string): Promise<void> {
  const key = deliveryKey(deps, id)
  await changeRecord<DeliveryRecord>(deps, key, (record) => {
    if (record.run !== run) return null
    const attempt = { at: new Date().toISOString(), duration_ms: 0, status_code: null, error: reason }
    const attempts = [...record.attempts, attempt].slice(-MOST_ATTEMPTS)
    return [setCommand(key, { ...record, attempts, status: 'failed', next_attempt_at: null })]
  })
}

/** A whole table of attempts failed, and nothing else arrived meanwhile. */
async function disableIfDead(deps: NoteDeps, delivery: DeliveryRecord, url: string): Promise<void> {
  if (delivery.event_type === TEST_EVENT) return
  const last = Number((await deps.redis.get(successKey(deps, delivery.endpoint_id))) ?? 0)
  if (last >= Date.parse(delivery.created_at)) return
  const reason = `nothing has arrived since ${delivery.created_at}`
  await disableEndpoint(deps, delivery.endpoint_id, url, reason)
}
