/** Does something now and then again after each pause, until told to stop. */
import { setTimeout as delay } from 'node:timers/promises'

/** `work` must not throw. Returns what stops it, which waits for the work at hand. */
export function repeat(work: () => Promise<void>, pause: (signal: AbortSignal) => Promise<void>): () => Promise<void> {
  const stop = new AbortController()
  const loop = async () => {
    while (!stop.signal.aborted) {
      await work()
      await pause(stop.signal)
    }
  }
  const ended = loop()
  return () => {
    stop.abort()
    return ended
  }
}

/** A pause of so many milliseconds. */
export function every(ms: number): (signal: AbortSignal) => Promise<void> {
  return (signal) => delay(ms, undefined, { signal }).catch(() => {})
}
