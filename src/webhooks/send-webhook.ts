/** One attempt to deliver a webhook, signed as Standard Webhooks 1.0 asks. */
import { Webhook } from 'standardwebhooks'
import { type Dispatcher, request } from 'undici'
import type { Delivery } from '../queue/queues.ts'
import type { Config } from '../shared/config.ts'
import { messageOf } from '../shared/errors.ts'
import { checkWebhookUrl } from './check-url.ts'
import { parseRetryAfter } from './retry-delays.ts'

export interface Sender {
  config: Pick<Config, 'WEBHOOK_ALLOW_PRIVATE'>
  dispatcher: Dispatcher
  secret: string
}

export type Attempt = { ok: true; status: number } | { ok: false; reason: string; final: boolean; retryAfterMs: number }

/** of one attempt, from the connection to the end of the answer */
export const TIMEOUT_MS = 15_000
const MAX_ANSWER_BYTES = 8192
const GONE = 410

/** Only 2xx is a delivery; a redirect is a failure; 410 ends the attempts. Never throws. */
export async function sendWebhook({ config, dispatcher, secret }: Sender, delivery: Delivery): Promise<Attempt> {
  try {
    const url = checkWebhookUrl(config, delivery.url)
    const { statusCode, headers, body } = await request(url, {
      dispatcher,
      method: 'POST',
      headers: headersOf(secret, delivery),
      body: delivery.body,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    await body.dump({ limit: MAX_ANSWER_BYTES }).catch(() => {})
    if (statusCode >= 200 && statusCode < 300) return { ok: true, status: statusCode }
    return failure(`the receiver answered ${statusCode}`, statusCode === GONE, parseRetryAfter(headers['retry-after']))
  } catch (error) {
    return failure(messageOf(error))
  }
}

function headersOf(secret: string, { eventId, body }: Delivery): Record<string, string> {
  const now = new Date()
  return {
    'content-type': 'application/json',
    'user-agent': 'Fewbit',
    'webhook-id': eventId,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(eventId, now, body),
  }
}

function failure(reason: string, final = false, retryAfterMs = 0): Attempt {
  return { ok: false, reason, final, retryAfterMs }
}
