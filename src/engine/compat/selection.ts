/** Which nodes onnxruntime.quantization looks at, by its registries of operators. */

import type { Node } from '../ir/graph.ts'
import type { Operator } from '../ir/operators.ts'
import { wordsOf } from '../ir/words.ts'
import type { CompatOptions } from './options.ts'

const COMMON: readonly Operator[] = ['Gather', 'Transpose', 'EmbedLayerNormalization']
const INTEGER: readonly Operator[] = [...COMMON, 'Conv', 'MatMul', 'Attention', 'LSTM']
const QLINEAR: readonly Operator[] = [
  ...COMMON,
  ...wordsOf('ArgMax Conv Gemm MatMul Add Mul Relu Clip LeakyRelu Sigmoid MaxPool'),
  ...wordsOf('GlobalAveragePool Split Pad Reshape Squeeze Unsqueeze Flatten Resize AveragePool'),
  ...wordsOf('Concat Softmax Where'),
]
const QDQ: readonly Operator[] = [
  ...wordsOf('ConvTranspose Slice GatherElements InstanceNormalization LayerNormalization'),
  ...wordsOf('BatchNormalization TopK CumSum'),
]

/** Operators that quantize_static takes by default, in either format. */
export const STATIC_OPERATORS: ReadonlySet<string> = new Set([...QLINEAR, ...QDQ])
/** Operators that quantize_dynamic takes by default. */
export const DYNAMIC_OPERATORS: ReadonlySet<string> = new Set(INTEGER)

export type Selects = (node: Node) => boolean

/** A rule that says which nodes are to be quantized. */
export function selection(options: CompatOptions, defaults: ReadonlySet<string>): Selects {
  const operators = options.operators ? new Set(options.operators) : defaults
  const only = options.onlyNodes?.length ? new Set(options.onlyNodes) : null
  const excluded = new Set(options.excludedNodes)
  return ({ name, opType }) => operators.has(opType) && !excluded.has(name) && (!only || only.has(name))
}
