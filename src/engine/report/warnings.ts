/** What a user must not overlook in the figures. */
import type { Metrics, Warning } from '../../contract/report.ts'
import { browsersOf, type Target } from '../targets/target.ts'
import type { AdviceInput } from './advice.ts'
import { lowFidelity } from './low-fidelity.ts'

type Judge = (metrics: Metrics, target: Target) => Warning | null

const JUDGES: readonly Judge[] = [dependsOnBatch, largerThanFloat, targetViolated]

export const warningsOf = (input: AdviceInput & { metrics: Metrics }): Warning[] => [
  ...lowFidelity(input),
  ...JUDGES.flatMap((judge) => judge(input.metrics, input.target) ?? []),
]

/** dB between samples alone and in company that somebody should know of */
const BATCH_MATTERS_DB = 1

function dependsOnBatch({ fidelity }: Metrics, target: Target): Warning | null {
  const together = fidelity?.in_batches
  if (!fidelity || !together) return null
  const changes = browsersOf(target).length > 0 && (together.max_change ?? 0) > 0
  if (!changes && Math.abs(fidelity.sqnr_db - together.sqnr_db) < BATCH_MATTERS_DB) return null
  const change =
    together.max_change === null ? '' : `a number of a sample changes by up to ${together.max_change.toPrecision(2)}: `
  return {
    code: 'depends_on_batch',
    detail: `the artifact reads the range of activations from all samples of a run, so that ${change || 'results depend on the others: '}with ${fidelity.batch} in a run the outputs keep ${fidelity.sqnr_db.toFixed(1)} dB, with ${together.batch} they keep ${together.sqnr_db.toFixed(1)} dB. All other figures are of ${fidelity.batch}`,
  }
}

function largerThanFloat({ size_bytes: { float, quantized, ratio } }: Metrics): Warning | null {
  if (ratio < 1) return null
  return { code: 'larger_than_float', detail: `the artifact has ${quantized} bytes, the float model ${float}` }
}

function targetViolated({ target_conformance: { ok, violations } }: Metrics): Warning | null {
  if (ok) return null
  return {
    code: 'target_violated',
    detail: `${violations.length} rules of the target are broken, see metrics.target_conformance`,
  }
}
