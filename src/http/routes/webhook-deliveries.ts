/** What was sent to webhook endpoints: tests, the log, and sending again. */
import { idPattern } from '../../shared/ids.ts'
import { viewDelivery, WebhookDelivery, WebhookDeliveryWithPayload } from '../../webhooks/deliveries/delivery.ts'
import { findBody, getDelivery, listDeliveries } from '../../webhooks/deliveries/get-delivery.ts'
import { resendDelivery, testEndpoint } from '../../webhooks/deliveries/send-again.ts'
import { endpoint } from '../endpoint.ts'
import { answer, idOf, listOf, pageOf } from '../shapes.ts'

const EndpointId = idOf('whe', 'webhook endpoint')
const Id = EndpointId.extend({ delivery_id: idOf('dlv', 'delivery').shape.id })
export const WebhookDeliveryList = listOf(WebhookDelivery)

const pathOf = ({ id, endpoint_id }: WebhookDelivery): string => `/v1/webhook-endpoints/${endpoint_id}/deliveries/${id}`

export const test = endpoint(
  {
    operationId: 'testWebhookEndpoint',
    tags: ['webhooks'],
    summary: 'Send a test to a webhook endpoint',
    description:
      'Sends the event `webhook.test` once, whatever the filter, and to a disabled endpoint too. The delivery says soon what came of it.',
    params: EndpointId,
    response: { 202: answer('The delivery, which is on its way', WebhookDelivery) },
    'x-errors': ['not_found'],
  },
  async ({ deps, owner, params, reply }) => {
    const delivery = await testEndpoint(deps, owner, params.id)
    return reply.code(202).header('location', pathOf(delivery)).send(viewDelivery(delivery))
  },
)

export const list = endpoint(
  {
    operationId: 'listWebhookDeliveries',
    tags: ['webhooks'],
    summary: 'List what was sent to a webhook endpoint',
    description: 'Newest first; of the last week, and at most 1000.',
    params: EndpointId,
    querystring: pageOf(idPattern('dlv')),
    response: { 200: answer('A page of deliveries', WebhookDeliveryList) },
    'x-errors': ['not_found'],
  },
  async ({ deps, owner, params, query }) => {
    const page = await listDeliveries(deps, owner, params.id, query)
    return { object: 'list', ...page, data: page.data.map(viewDelivery) }
  },
)

export const get = endpoint(
  {
    operationId: 'getWebhookDelivery',
    tags: ['webhooks'],
    summary: 'Get a delivery',
    description: 'Its attempts, and the body that was sent.',
    params: Id,
    response: { 200: answer('The delivery', WebhookDeliveryWithPayload) },
    'x-errors': ['not_found'],
  },
  async ({ deps, owner, params }) => {
    const delivery = await getDelivery(deps, owner, params.id, params.delivery_id)
    return { ...viewDelivery(delivery), payload: JSON.parse((await findBody(deps, delivery.event_id)) ?? '{}') }
  },
)

export const resend = endpoint(
  {
    operationId: 'resendWebhookDelivery',
    tags: ['webhooks'],
    summary: 'Send a delivery again',
    description:
      'At once, whether or not it arrived before: the same body under the same `webhook-id`, and as often as a new one until it arrives.',
    params: Id,
    response: { 202: answer('The delivery, which is on its way', WebhookDelivery) },
    'x-errors': ['not_found', 'endpoint_disabled'],
  },
  async ({ deps, owner, params, reply }) => {
    const delivery = await resendDelivery(deps, owner, params.id, params.delivery_id)
    return reply.code(202).header('location', pathOf(delivery)).send(viewDelivery(delivery))
  },
)
