/** Repeats what a fault of the machine prevents, with growing pauses, until it is over: finished work must not be lost to an outage. */
import { setTimeout as delay } from 'node:timers/promises'
import { type ErrorCode, FewbitError } from '../../src/shared/errors.ts'

export interface Patience {
  /** milliseconds from the first try in which an error with this code is no reason to give up; Redis has a minute by default */
  waits?: (code: ErrorCode) => number
  /** ends the waiting */
  signal?: AbortSignal
}

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 8000

const forRedis = (code: ErrorCode): number => (code === 'unavailable' ? 60_000 : 0)

/** Throws what `work` threw last. */
export async function persist<T>(work: () => Promise<T>, { waits = forRedis, signal }: Patience = {}): Promise<T> {
  const started = Date.now()
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      return await work()
    } catch (error) {
      const patience = error instanceof FewbitError ? waits(error.code) : 0
      if (Date.now() - started >= patience) throw error
      await delay(pause, undefined, signal && { signal }).catch(() => {})
      if (signal?.aborted) throw error
    }
  }
}
