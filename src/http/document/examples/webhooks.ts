/** Examples of webhook endpoints and of what was sent to them. */
import type { z } from 'zod'
import type { WebhookDelivery, WebhookDeliveryWithPayload } from '../../../webhooks/deliveries/delivery.ts'
import type { NewWebhookEndpoint, WebhookEndpoint } from '../../../webhooks/endpoints/endpoint.ts'
import type { WebhookEndpointPatch, WebhookEndpointRequest } from '../../routes/webhook-endpoints.ts'
import type { WebhookSecret } from '../../routes/webhook-secret.ts'

export const WEBHOOK_ENDPOINT_REQUEST: z.input<typeof WebhookEndpointRequest> = {
  url: 'https://example.org/hooks/fewbit',
  events: ['job.succeeded', 'job.failed'],
  description: 'ours',
}

export const WEBHOOK_ENDPOINT_PATCH: z.input<typeof WebhookEndpointPatch> = {
  events: ['job.succeeded'],
  status: 'enabled',
}

export const WEBHOOK_ENDPOINT: z.output<typeof WebhookEndpoint> = {
  id: 'whe_01m8qzmdpgbqcc03g7ywn3p7cd',
  object: 'webhook_endpoint',
  url: 'https://example.org/hooks/fewbit',
  description: 'ours',
  events: [
    'job.succeeded',
    'job.failed',
    'job.canceled',
    'job.expired',
    'comparison.succeeded',
    'comparison.failed',
    'comparison.canceled',
  ],
  status: 'enabled',
  disabled_reason: null,
  created_at: '2026-03-02T05:00:56.912Z',
  updated_at: '2026-03-02T05:00:56.912Z',
  rotated_at: null,
  previous_secret_expires_at: null,
}

export const NEW_WEBHOOK_ENDPOINT: z.output<typeof NewWebhookEndpoint> = {
  id: 'whe_01m8qzmdpgbqcc03g7ywn3p7cd',
  object: 'webhook_endpoint',
  url: 'https://example.org/hooks/fewbit',
  description: 'ours',
  events: [
    'job.succeeded',
    'job.failed',
    'job.canceled',
    'job.expired',
    'comparison.succeeded',
    'comparison.failed',
    'comparison.canceled',
  ],
  status: 'enabled',
  disabled_reason: null,
  created_at: '2026-03-02T05:00:56.912Z',
  updated_at: '2026-03-02T05:00:56.912Z',
  rotated_at: null,
  previous_secret_expires_at: null,
  secret: 'whsec_YW4gZXhhbXBsZSwgbm90IGEgc2VjcmV0',
}

export const WEBHOOK_SECRET: z.output<typeof WebhookSecret> = {
  object: 'webhook_secret',
  secret: 'whsec_YW4gZXhhbXBsZSwgbm90IGEgc2VjcmV0',
}

export const WEBHOOK_DELIVERY: z.output<typeof WebhookDelivery> = {
  object: 'webhook_delivery',
  id: 'dlv_01m8qzmwcvfgfgfwy6fg2p67y9',
  endpoint_id: 'whe_01m8qzmdpgbqcc03g7ywn3p7cd',
  event_id: 'evt_01m8qzmwcvb4226y6s6qx75vz2',
  event_type: 'webhook.test',
  job_id: null,
  comparison_id: null,
  status: 'succeeded',
  attempt_count: 1,
  attempts: [{ at: '2026-03-02T05:01:11.968Z', duration_ms: 41, status_code: 204, error: null }],
  next_attempt_at: null,
  created_at: '2026-03-02T05:01:11.963Z',
}

export const WEBHOOK_DELIVERY_WITH_PAYLOAD: z.output<typeof WebhookDeliveryWithPayload> = {
  object: 'webhook_delivery',
  id: 'dlv_01m8qzmwcvfgfgfwy6fg2p67y9',
  endpoint_id: 'whe_01m8qzmdpgbqcc03g7ywn3p7cd',
  event_id: 'evt_01m8qzmwcvb4226y6s6qx75vz2',
  event_type: 'webhook.test',
  job_id: null,
  comparison_id: null,
  status: 'succeeded',
  attempt_count: 1,
  attempts: [{ at: '2026-03-02T05:01:11.968Z', duration_ms: 41, status_code: 204, error: null }],
  next_attempt_at: null,
  created_at: '2026-03-02T05:01:11.963Z',
  payload: {
    type: 'webhook.test',
    timestamp: '2026-03-02T05:01:11.963Z',
    data: { endpoint_id: 'whe_01m8qzmdpgbqcc03g7ywn3p7cd' },
  },
}
