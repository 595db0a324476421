/** Which kernels ONNX Runtime really runs: counted in the graph that its optimizer writes, and in the profile of a run. */

import { allGraphs } from '../ir/graph.ts'
import { decodeModel } from '../onnx/index.ts'
import type { ExecutedKernel, RunTensor, Runtime } from '../runtime/runtime.ts'
import { macsOfKernel } from './kernel-macs.ts'

/** operators that compute in integers */
const INTEGER_KERNEL = /^(QLinear\w+|QGemm|QAttention|\w*Integer\w*|DynamicQuantize(MatMul|LSTM)|MatMulNBits)$/
const CONVERSION = /^(QuantizeLinear|DequantizeLinear|DynamicQuantizeLinear|Cast)$/

export interface KernelCount {
  integer: number
  conversions: number
}

/** Counts in an optimized model that was saved at `paths`, in parts perhaps. */
export function countKernels(paths: readonly string[]): KernelCount {
  const graphs = paths.flatMap((path) => [...allGraphs(decodeModel(path).model.graph)])
  const types = graphs.flatMap(({ nodes }) => [...nodes].map((node) => node.opType))
  const count = (pattern: RegExp) => types.filter((type) => pattern.test(type)).length
  return { integer: count(INTEGER_KERNEL), conversions: count(CONVERSION) }
}

/** What one run multiplied. */
export interface ExecutedMacs {
  /** share of multiply-accumulates in integer kernels; null where nothing multiplied */
  integer: number | null
  /** shares of the float kernels, largest first */
  float: { node: string; opType: string; share: number }[]
}

/** Runs the model at `path` once under the profiler. Null for a model in parts, which has no profile. */
export async function executedMacs(
  runtime: Runtime,
  path: string,
  feeds: Readonly<Record<string, RunTensor>>,
): Promise<ExecutedMacs | null> {
  const session = await runtime.load(path, { optimization: 'all', profile: 'shapes' })
  try {
    await session.run(feeds)
    return session.kernels ? sharesOf(session.kernels()) : null
  } finally {
    await session.release()
  }
}

function sharesOf(kernels: readonly ExecutedKernel[]): ExecutedMacs {
  const counted = kernels.map((kernel) => ({ ...kernel, macs: macsOfKernel(kernel) }))
  const total = counted.reduce((sum, { macs }) => sum + macs, 0)
  if (total === 0) return { integer: null, float: [] }
  const left = new Map<string, { node: string; opType: string; share: number }>()
  for (const { node, opType, macs } of counted) {
    if (macs === 0 || INTEGER_KERNEL.test(opType)) continue
    left.set(node, { node, opType, share: (left.get(node)?.share ?? 0) + macs / total })
  }
  const float = [...left.values()].toSorted((a, b) => b.share - a.share)
  const integers = counted.filter(({ opType }) => INTEGER_KERNEL.test(opType))
  return { integer: integers.reduce((sum, { macs }) => sum + macs, 0) / total, float }
}
