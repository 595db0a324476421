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

/** Counts in an optimized model that was saved at `path`. */
export function countKernels(path: string): KernelCount {
  const { model } = decodeModel(path)
  const types = [...allGraphs(model.graph)].flatMap((graph) => [...graph.nodes].map((node) => node.opType))
  const count = (pattern: RegExp) => types.filter((type) => pattern.test(type)).length
  return { integer: count(INTEGER_KERNEL), conversions: count(CONVERSION) }
}
