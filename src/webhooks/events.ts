/** What webhooks tell of. */

export const JOB_WEBHOOK_EVENTS = ['job.started', 'job.succeeded', 'job.failed', 'job.canceled', 'job.expired'] as const
export const COMPARISON_WEBHOOK_EVENTS = [
  'comparison.started',
  'comparison.succeeded',
  'comparison.failed',
  'comparison.canceled',
] as const
export const WEBHOOK_EVENTS = [...JOB_WEBHOOK_EVENTS, ...COMPARISON_WEBHOOK_EVENTS] as const
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number]

export const isWebhookEvent = (type: string): type is WebhookEvent => WEBHOOK_EVENTS.some((event) => event === type)

/** What is told when nobody says what is wanted: how jobs and comparisons ended. */
export const USUAL_EVENTS: readonly WebhookEvent[] = WEBHOOK_EVENTS.filter((event) => !event.endsWith('.started'))

/** What an endpoint is sent when its owner asks for a test, whatever its filter. */
export const TEST_EVENT = 'webhook.test'
