/** One attempt to deliver a webhook, signed as Standard Webhooks 1.0 asks. */
import { Webhook } from 'standardwebhooks'
import { type Dispatcher, request } from 'undici'
import type { Config } from '../shared/config.ts'
import { messageOf } from '../shared/errors.ts'
import { checkWebhookUrl } from './check-url.ts'
import { parseRetryAfter } from './retry-delays.ts'

export interface Sender {
  config: Pick<Config, 'WEBHOOK_ALLOW_PRIVATE'>
  dispatcher: Dispatcher
}

export interface Letter {
  eventId: string
  url: string
  /** signed as it stands */
  body: string
  /** each signs: during a rotation there are two */
  secrets: readonly string[]
}

/** `status`: null where there was no answer. `final`: the receiver wants no more. */
export type Attempt =
  | { ok: true; status: number }
  | { ok: false; status: number | null; reason: string; final: boolean; retryAfterMs: number }

/** of one attempt, from the connection to the end of the answer */
export const TIMEOUT_MS = 15_000
const MAX_ANSWER_BYTES = 8192
const GONE = 410

/** Only 2xx is a delivery; a redirect is a failure; 410 ends the attempts. Never throws. */
export async function sendWebhook({ config, dispatcher }: Sender, letter: Letter): Promise<Attempt> {
  try {
    const url = checkWebhookUrl(config, letter.url)
    const { statusCode, headers, body } = await request(url, {
      dispatcher,
      method: 'POST',
      headers: headersOf(letter),
      body: letter.body,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    await body.dump({ limit: MAX_ANSWER_BYTES }).catch(() => {})
    if (statusCode >= 200 && statusCode < 300) return { ok: true, status: statusCode }
    return {
      ok: false,
      status: statusCode,
      reason: `the receiver answered ${statusCode}`,
      final: statusCode === GONE,
      retryAfterMs: parseRetryAfter(headers['retry-after']),
    }
  } catch (error) {
    return { ok: false, status: null, reason: messageOf(error), final: false, retryAfterMs: 0 }
  }
}

function headersOf({ eventId, body, secrets }: Letter): Record<string, string> {
  const now = new Date()
  return {
    'content-type': 'application/json',
    'user-agent': 'Fewbit',
    'webhook-id': eventId,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(eventId, now, body)).join(' '),
  }
}
