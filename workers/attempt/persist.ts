/** Repeats a write until Redis is back: a finished attempt must not be lost to an outage. */
import { setTimeout as delay } from 'node:timers/promises'
import { FewbitError } from '../../src/shared/errors.ts'

const PAUSE_MS = 500

/** Throws what `work` throws, but `unavailable` only after `timeoutMs`. */
export async function persist<T>(work: () => Promise<T>, timeoutMs = 60_000): Promise<T> {
  const until = Date.now() + timeoutMs
  for (;;) {
    try {
      return await work()
    } catch (error) {
      const away = error instanceof FewbitError && error.code === 'unavailable'
      if (!away || Date.now() > until) throw error
      await delay(PAUSE_MS)
    }
  }
}
