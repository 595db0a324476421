/** Records that an event shall be sent to an endpoint. */
import type { Deps } from '../../deps.ts'
import { lastIdUntil } from '../../shared/ids.ts'
import { bodyKey, deliveriesKey, deliveryKey } from '../keys.ts'
import { type DeliveryRecord, KEPT_SECONDS, MOST_KEPT } from './delivery.ts'

type WriteDeps = Pick<Deps, 'config' | 'redis'>

export type NewDelivery = Pick<
  DeliveryRecord,
  'id' | 'owner' | 'endpoint_id' | 'event_id' | 'event_type' | 'job_id' | 'comparison_id'
>

/** A delivery that is there already stays as it is. The oldest ones go when there are too many. */
export async function insertDelivery(deps: WriteDeps, given: NewDelivery): Promise<DeliveryRecord> {
  const now = new Date().toISOString()
  const record: DeliveryRecord = {
    object: 'webhook_delivery',
    ...given,
    status: 'pending',
    attempt_count: 0,
    attempts: [],
    next_attempt_at: now,
    created_at: now,
    run: 0,
  }
  const key = deliveryKey(deps, record.id)
  await deps.redis.set(key, JSON.stringify(record), 'EX', KEPT_SECONDS, 'NX')
  await deps.redis.zadd(deliveriesKey(deps, record.endpoint_id), 0, record.id)
  await forgetOld(deps, record.endpoint_id)
  return record
}

/** Kept a day longer than the deliveries that need it. */
export async function keepBody({ config, redis }: WriteDeps, eventId: string, body: string): Promise<void> {
  await redis.set(bodyKey({ config }, eventId), body, 'EX', KEPT_SECONDS + 86_400)
}

async function forgetOld(deps: WriteDeps, endpointId: string): Promise<void> {
  const log = deliveriesKey(deps, endpointId)
  const expired = lastIdUntil('dlv', Date.now() - KEPT_SECONDS * 1000)
  await deps.redis.zremrangebylex(log, '-', `(${expired}`)
  const surplus = await deps.redis.zrange(log, '0', String(-(MOST_KEPT + 1)))
  if (surplus.length === 0) return
  await deps.redis.del(surplus.map((id) => deliveryKey(deps, id)))
  await deps.redis.zrem(log, surplus)
}
