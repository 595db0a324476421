/** Server-sent events: events as frames, with a heartbeat while nothing happens. */
import { setTimeout as delay } from 'node:timers/promises'

const HEARTBEAT_MS = 15_000
const RECONNECT = 'retry: 2000\n\n'
const HEARTBEAT = ': heartbeat\n\n'

/** What a frame is made of. */
export interface Framed {
  id: string
  type: string
}

const frameOf = (event: Framed): string => `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`

/** Ends with the events, or when `signal` aborts. */
export async function* framesOf(
  events: AsyncIterable<Framed>,
  signal: AbortSignal,
  heartbeatMs = HEARTBEAT_MS,
): AsyncGenerator<string> {
  const iterator = events[Symbol.asyncIterator]()
  try {
    yield RECONNECT
    let next = iterator.next()
    while (!signal.aborted) {
      const result = await orSilence(next, heartbeatMs)
      if (result?.done) return
      yield result ? frameOf(result.value) : HEARTBEAT
      if (result) next = iterator.next()
    }
  } finally {
    void iterator.return?.().catch(() => {})
  }
}

/** What `next` resolves to, or null after `ms` of silence. */
async function orSilence<T>(next: Promise<T>, ms: number): Promise<T | null> {
  const stop = new AbortController()
  const silence = delay(ms, null, { signal: stop.signal, ref: false }).catch(() => null)
  return Promise.race([next, silence]).finally(() => stop.abort())
}
