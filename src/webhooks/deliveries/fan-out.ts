/** Sends an event to every endpoint of its owner that wants it. */
import { createHash } from 'node:crypto'
import type { Deps } from '../../deps.ts'
import { enqueueNotice } from '../../queue/enqueue.ts'
import { idAt, isId } from '../../shared/ids.ts'
import { MOST_ENDPOINTS } from '../endpoints/create-endpoint.ts'
import type { WebhookEndpointRecord } from '../endpoints/endpoint.ts'
import { listEndpoints } from '../endpoints/get-endpoint.ts'
import { insertDelivery, keepBody } from './insert-delivery.ts'

export interface Happening {
  eventId: string
  /** milliseconds since 1970 */
  at: number
  type: string
  owner: string
  /** id of the job or comparison that it happened to */
  subject: string
  /** signed and sent as it stands */
  body: string
}

/** Safe to repeat: each endpoint has one delivery of an event, under an id that follows from both. Throws unavailable. */
export async function fanOut(deps: Deps, event: Happening, attempts: number): Promise<void> {
  const { data } = await listEndpoints(deps, event.owner, { limit: MOST_ENDPOINTS })
  const wanting = data.filter(({ status, events }) => status === 'enabled' && events.some((one) => one === event.type))
  if (wanting.length === 0) return
  await keepBody(deps, event.eventId, event.body)
  for (const endpoint of wanting) await sendTo(deps, endpoint, event, attempts)
}

async function sendTo(deps: Deps, endpoint: WebhookEndpointRecord, event: Happening, attempts: number): Promise<void> {
  const { id, run } = await insertDelivery(deps, {
    id: deliveryIdOf(endpoint.id, event),
    owner: event.owner,
    endpoint_id: endpoint.id,
    event_id: event.eventId,
    event_type: event.type,
    ...subjectOf(event.subject),
  })
  await enqueueNotice(deps, { deliveryId: id, run }, attempts)
}

const subjectOf = (id: string) => ({
  job_id: isId('job', id) ? id : null,
  comparison_id: isId('cmp', id) ? id : null,
})

function deliveryIdOf(endpointId: string, { eventId, at }: Happening): string {
  return idAt('dlv', at, createHash('sha256').update(`${eventId} ${endpointId}`).digest())
}
