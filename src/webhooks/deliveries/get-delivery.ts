/** Reads the log of a webhook endpoint. */
import type { Deps } from '../../deps.ts'
import { FewbitError } from '../../shared/errors.ts'
import { isId } from '../../shared/ids.ts'
import { getEndpoint } from '../endpoints/get-endpoint.ts'
import { bodyKey, deliveriesKey, deliveryKey } from '../keys.ts'
import type { DeliveryRecord } from './delivery.ts'

type ReadDeps = Pick<Deps, 'config' | 'redis'>

/** Throws not_found, for the delivery of another owner or endpoint too. */
export async function getDelivery(
  deps: ReadDeps,
  owner: string,
  endpointId: string,
  id: string,
): Promise<DeliveryRecord> {
  const delivery = await findDelivery(deps, id)
  if (delivery?.owner !== owner || delivery.endpoint_id !== endpointId)
    throw new FewbitError('not_found', `no delivery ${id}; deliveries are kept for a week`)
  return delivery
}

/** The delivery or null, whoever owns it. */
export async function findDelivery(deps: ReadDeps, id: string): Promise<DeliveryRecord | null> {
  const text = isId('dlv', id) ? await deps.redis.get(deliveryKey(deps, id)) : null
  return text === null ? null : (JSON.parse(text) as DeliveryRecord)
}

/** The body of an event as it is sent, or null when it is kept no longer. */
export const findBody = (deps: ReadDeps, eventId: string): Promise<string | null> =>
  deps.redis.get(bodyKey(deps, eventId))

export interface DeliveryPage {
  data: DeliveryRecord[]
  has_more: boolean
  next_cursor: string | null
}

/** Newest first; `after` is the id of the last delivery of the page before. Throws not_found. */
export async function listDeliveries(
  deps: ReadDeps,
  owner: string,
  endpointId: string,
  { limit, after }: { limit: number; after?: string | undefined },
): Promise<DeliveryPage> {
  await getEndpoint(deps, owner, endpointId)
  const below = after ? `(${after}` : '+'
  const log = deliveriesKey(deps, endpointId)
  const ids = await deps.redis.zrange(log, below, '-', 'BYLEX', 'REV', 'LIMIT', 0, limit + 1)
  const page = ids.slice(0, limit)
  const texts = page.length ? await deps.redis.mget(page.map((id) => deliveryKey(deps, id))) : []
  const has_more = ids.length > limit
  return {
    data: texts.flatMap((text) => (text === null ? [] : [JSON.parse(text) as DeliveryRecord])),
    has_more,
    next_cursor: has_more ? (page.at(-1) ?? null) : null,
  }
}
