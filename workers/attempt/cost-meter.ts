/** Measures what an attempt takes: wall clock and memory. */
import type { Deps } from '../../src/deps.ts'
import type { Claim } from '../../src/jobs/attempt/claim-job.ts'
import { keepCost } from '../../src/jobs/attempt/keep-cost.ts'
import { messageOf } from '../../src/shared/errors.ts'
import { persist } from './persist.ts'

export interface CostMeter {
  /** bytes that are resident at the moment */
  see(bytes: number): void
  /** Writes the figures into the job; without them it ends all the same. */
  keep(deps: Deps, claim: Claim, signal: AbortSignal): Promise<void>
}

export function openCostMeter(): CostMeter {
  const started = performance.now()
  let peak = 0
  return {
    see(bytes) {
      peak = Math.max(peak, bytes)
    },
    async keep(deps, claim, signal) {
      const cost = { seconds: (performance.now() - started) / 1000, peak_memory_bytes: peak || null }
      const notWritten = (error: unknown) => deps.log.warn({ reason: messageOf(error) }, 'the cost was not written')
      await persist(() => keepCost(deps, claim, cost), { signal }).catch(notWritten)
    },
  }
}
