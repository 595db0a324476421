/** Sends at an owner's wish: a test, or once more what was sent or is being sent. */
import type { Deps } from '../../deps.ts'
import { enqueueNotice } from '../../queue/enqueue.ts'
import { FewbitError } from '../../shared/errors.ts'
import { newId } from '../../shared/ids.ts'
import { changeRecord, setCommand } from '../change-record.ts'
import { getEndpoint } from '../endpoints/get-endpoint.ts'
import { TEST_EVENT } from '../events.ts'
import { deliveryKey } from '../keys.ts'
import { retryDelays } from '../retry-delays.ts'
import type { DeliveryRecord } from './delivery.ts'
import { getDelivery } from './get-delivery.ts'
import { insertDelivery, keepBody } from './insert-delivery.ts'

/** One attempt, whatever the endpoint's filter and state. Throws not_found and unavailable. */
export async function testEndpoint(deps: Deps, owner: string, endpointId: string): Promise<DeliveryRecord> {
  await getEndpoint(deps, owner, endpointId)
  const event_id = newId('evt')
  const body = { type: TEST_EVENT, timestamp: new Date().toISOString(), data: { endpoint_id: endpointId } }
  await keepBody(deps, event_id, JSON.stringify(body))
  const delivery = await insertDelivery(deps, {
    id: newId('dlv'),
    owner,
    endpoint_id: endpointId,
    event_id,
    event_type: TEST_EVENT,
    job_id: null,
    comparison_id: null,
  })
  await enqueueNotice(deps, { deliveryId: delivery.id, run: 0 }, 1)
  return delivery
}

/** At once, under the same `webhook-id`, and repeated by the whole table; an attempt that waited is dropped. Throws not_found and unavailable. */
export async function resendDelivery(
  deps: Deps,
  owner: string,
  endpointId: string,
  id: string,
): Promise<DeliveryRecord> {
  await getDelivery(deps, owner, endpointId, id)
  const endpoint = await getEndpoint(deps, owner, endpointId)
  if (endpoint.status === 'disabled')
    throw new FewbitError(
      'endpoint_disabled',
      `${endpointId} is disabled: ${endpoint.disabled_reason ?? 'by its owner'}`,
      {
        hint: 'Enable it first: PATCH with {"status": "enabled"}.',
      },
    )
  let latest: DeliveryRecord | undefined
  await changeRecord<DeliveryRecord>(deps, deliveryKey(deps, id), (record) => {
    latest = { ...record, status: 'pending', run: record.run + 1, next_attempt_at: new Date().toISOString() }
    return [setCommand(deliveryKey(deps, id), latest)]
  })
  if (!latest) throw new FewbitError('not_found', `no delivery ${id}`)
  await enqueueNotice(deps, { deliveryId: id, run: latest.run }, retryDelays(deps.config).length + 1)
  return latest
}
