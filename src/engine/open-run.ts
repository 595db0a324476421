/** What the stages of one quantization start from. */
import { factsOf } from '../contract/method-facts.ts'
import type { RunnerSpec } from '../contract/runner-protocol.ts'
import { targetFor } from './prepare/target.ts'
import { createProgressMeter } from './progress.ts'
import type { Host, Run } from './run.ts'
import type { Runtime } from './runtime/runtime.ts'
import { openWorkspace } from './runtime/workspace.ts'
import { withoutKnownCrash } from './verify/known-crash.ts'

export const openRun = (spec: RunnerSpec, host: Host, runtime: Runtime, scratch: string): Run => ({
  spec,
  host,
  target: targetFor(spec.recipe),
  runtime: withoutKnownCrash(runtime),
  workspace: openWorkspace(scratch),
  progress: createProgressMeter(host.emit, host.now),
  warnings: [],
  searchUntil: searchEnd(spec, host),
})

/** A search uses up a share of the time that a job may run: verifying and packaging come behind it. */
function searchEnd({ recipe, max_seconds: seconds }: RunnerSpec, host: Host): number {
  const { searchShare } = factsOf(recipe.method)
  return seconds === undefined || searchShare === null
    ? Number.POSITIVE_INFINITY
    : host.now() + 1000 * searchShare * seconds
}
