/** What webhooks tell of. */

export const WEBHOOK_EVENTS = ['job.started', 'job.succeeded', 'job.failed', 'job.canceled', 'job.expired'] as const
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number]

export const isWebhookEvent = (type: string): type is WebhookEvent => WEBHOOK_EVENTS.some((event) => event === type)

/** What is told when nobody says what is wanted: how jobs ended. */
export const USUAL_EVENTS: readonly WebhookEvent[] = WEBHOOK_EVENTS.filter((event) => event !== 'job.started')

/** What an endpoint is sent when its owner asks for a test, whatever its filter. */
export const TEST_EVENT = 'webhook.test'
