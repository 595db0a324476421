/** Moves webhook intents, written together with the event they tell of, to the delivery queue. */
import type { Deps } from '../../deps.ts'
import { enqueueDelivery } from '../../queue/enqueue.ts'
import { eventIdOf } from '../../queue/read-stream.ts'
import { fanOut } from '../../webhooks/deliveries/fan-out.ts'
import { outboxKey } from '../record/keys.ts'
import type { WebhookIntent } from '../record/webhook-intent.ts'

const BATCH = 100

/** An intent goes only once all that follows from it is queued: a crash in between queues it again under the same ids, which changes nothing. */
export async function sweepOutbox(deps: Deps, attempts: number): Promise<number> {
  const key = outboxKey(deps)
  let swept = 0
  for await (const [streamId, text] of entries(deps, key)) {
    const { url, type, ...intent } = JSON.parse(text) as WebhookIntent
    const eventId = eventIdOf(streamId)
    if (url !== undefined) await enqueueDelivery(deps, { ...intent, eventId, url }, attempts)
    await fanOut(deps, { ...intent, eventId, type, at: Number.parseInt(streamId, 10) }, attempts)
    await deps.redis.hdel(key, streamId)
    swept++
  }
  return swept
}

async function* entries({ redis }: Deps, key: string): AsyncGenerator<[string, string]> {
  let cursor = '0'
  do {
    const [next, flat] = await redis.hscan(key, cursor, 'COUNT', BATCH)
    for (let i = 0; i < flat.length; i += 2) yield [flat[i]!, flat[i + 1]!]
    cursor = next
  } while (cursor !== '0')
}
