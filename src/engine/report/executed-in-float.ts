/** The warning about layers that were quantized but that ONNX Runtime executes in float. */
import type { Warning } from '../../contract/report.ts'
import type { ExecutedMacs } from '../verify/kernels.ts'

/** differences below this come from kernels that pad their channels */
const LEAST_SHARE = 0.05
const MOST_NAMED = 3

/** `executed_in_float` where fewer multiply-accumulates run in integers than `planned`, a share or null where it is unknown. */
export function executedInFloat(planned: number | null, macs: ExecutedMacs | null): Warning[] {
  if (planned === null || !macs || macs.integer === null || planned - macs.integer < LEAST_SHARE) return []
  const kernels = macs.float
    .slice(0, MOST_NAMED)
    .map(({ node, opType, share }) => `"${node}" (${opType}, ${percent(share)})`)
  const detail = `${percent(planned)} of the multiply-accumulates were to run in integers, ${percent(macs.integer)} do: ONNX Runtime has no integer kernel for what these nodes became: ${kernels.join(', ')}. The layers are stored as integers all the same; exclude them (exclude.nodes) where speed counts more than size`
  return [{ code: 'executed_in_float', detail }]
}

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`
