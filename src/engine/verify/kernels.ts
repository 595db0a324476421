/** Which kernels ONNX Runtime really runs: counted in the graph that its optimizer writes. */

import { allGraphs } from '../ir/graph.ts'
import { decodeModel } from '../onnx/index.ts'

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
