/** Deletes a webhook endpoint with its log; what was on its way is not sent. */
import type { Deps } from '../../deps.ts'
import { changeRecord } from '../change-record.ts'
import { deliveriesKey, deliveryKey, endpointKey, endpointsKey, successKey } from '../keys.ts'
import type { WebhookEndpointRecord } from './endpoint.ts'
import { getEndpoint } from './get-endpoint.ts'

/** Throws not_found, and what `check` throws of the endpoint. */
export async function deleteEndpoint(
  deps: Deps,
  owner: string,
  id: string,
  check: (record: WebhookEndpointRecord) => void,
): Promise<void> {
  await getEndpoint(deps, owner, id)
  const log = deliveriesKey(deps, id)
  const deliveries = await deps.redis.zrange(log, '0', '-1')
  await changeRecord<WebhookEndpointRecord>(deps, endpointKey(deps, id), (record) => {
    check(record)
    return [
      ['DEL', endpointKey(deps, id), successKey(deps, id), log, ...deliveries.map((one) => deliveryKey(deps, one))],
      ['ZREM', endpointsKey(deps, owner), id],
    ]
  })
}
