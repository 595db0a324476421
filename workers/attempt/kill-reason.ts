/** Why a runner did not end on its own, in the words of metrics. */
import type { ErrorCode } from '../../src/shared/errors.ts'
import type { Ending } from '../process/supervise.ts'

const KILLS: ReadonlySet<ErrorCode> = new Set([
  'time_limit',
  'out_of_memory',
  'output_limit',
  'runner_crashed',
  'runner_killed',
  'machine_out_of_memory',
])

/** Null: it said its last words. */
export function killReasonOf(ending: Ending): string | null {
  if (ending.kind === 'stopped') return String(ending.reason)
  return ending.kind === 'failed' && KILLS.has(ending.error.code) ? ending.error.code : null
}
