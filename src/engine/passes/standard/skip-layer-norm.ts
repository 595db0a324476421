/** Norms of a sum, which ONNX Runtime's optimizer writes as one operator. Source: ONNX Runtime, docs/ContribOperators.md. */

import { float } from '../../ir/build.ts'
import type { Value } from '../../ir/graph.ts'
import type { Operator } from '../../ir/operators.ts'
import type { Rewrite, Writer } from './writer.ts'

/** of the operators' definitions */
const EPSILON = 1e-12
/** the output that holds the sum itself */
const SUM = 3

/** LayerNormalization(input + skip + bias) */
export const skipLayerNorm: Rewrite = (w) => {
  const [input, skip, gamma, beta, bias] = w.node.inputs
  if (!input || !skip || !gamma) return null
  return withSum(w, [input, skip, bias], 'LayerNormalization', beta ? [gamma, beta] : [gamma])
}

/** SimplifiedLayerNormalization(input + skip + bias), which has no mean */
export const skipSimplifiedLayerNorm: Rewrite = (w) => {
  const [input, skip, gamma, bias] = w.node.inputs
  if (!input || !skip || !gamma) return null
  return withSum(w, [input, skip, bias], 'SimplifiedLayerNormalization', [gamma])
}

type Terms = readonly [Value, Value, (Value | null)?]

function withSum(w: Writer, [a, b, bias]: Terms, opType: Operator, affine: readonly Value[]) {
  const partial = w.step('Add', [a, b])
  const sum = bias ? w.step('Add', [partial, bias]) : partial
  const normal = w.step(opType, [sum, ...affine], { epsilon: float(w.node.float('epsilon', EPSILON)) })
  const results: [Value, ...(Value | undefined)[]] = [normal]
  results[SUM] = sum
  return results
}
