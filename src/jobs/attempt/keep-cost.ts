/** What an attempt took, in the record of its job. */
import { factsOf } from '../../contract/method-facts.ts'
import type { Deps } from '../../deps.ts'
import type { Cost } from '../record/job.ts'
import { changeAttempt } from './attempt.ts'
import type { Claim } from './claim-job.ts'

/** What goes on from a checkpoint has taken what came before it as well. */
export async function keepCost(deps: Deps, claim: Claim, cost: Cost): Promise<void> {
  await changeAttempt(deps, claim, ({ cost: before, options }) => ({
    patch: { cost: before && factsOf(options.method).hasCheckpoint ? sumOf(before, cost) : cost },
  }))
}

const sumOf = (before: Cost, { seconds, peak_memory_bytes: peak }: Cost): Cost => ({
  seconds: before.seconds + seconds,
  peak_memory_bytes: Math.max(before.peak_memory_bytes ?? 0, peak ?? 0) || null,
})
