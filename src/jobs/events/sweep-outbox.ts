/** Moves webhook intents, written together with the event they tell of, to the delivery queue. */
import type { Deps } from '../../deps.ts'
import { enqueueDelivery } from '../../queue/enqueue.ts'
import { outboxKey } from '../record/keys.ts'
import { eventIdOf } from './read-events.ts'

const BATCH = 100

/** An intent goes only once it is queued: a crash in between queues it again under the same id, which changes nothing. */
export async function sweepOutbox(deps: Deps, attempts: number): Promise<number> {
  const key = outboxKey(deps)
  let swept = 0
  for await (const [streamId, intent] of entries(deps, key)) {
    await enqueueDelivery(deps, { ...JSON.parse(intent), eventId: eventIdOf(streamId) }, attempts)
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
