/** The embeddings of BERT, which ONNX Runtime's optimizer writes as one operator. Source: ONNX Runtime, docs/ContribOperators.md. */
import { float, int } from '../../ir/build.ts'
import { codeOf } from '../../ir/dtype.ts'
import type { Value } from '../../ir/graph.ts'
import type { Rewrite, Writer } from './writer.ts'

/** of the operator's definition */
const EPSILON = 1e-12

/** LayerNormalization(word[ids] + position[places] + segment[segments]), and how many tokens of each row the mask keeps. */
export const embedLayerNorm: Rewrite = (w) => {
  const [ids, segments, words, positions, kinds, gamma, beta, mask, places] = w.node.inputs
  if (!ids || !words || !positions || !gamma || !beta) return null
  const place = places ? w.step('Gather', [positions, places]) : firstRows(w, positions, ids)
  const located = w.step('Add', [w.step('Gather', [words, ids]), place])
  const sum = segments && kinds ? w.step('Add', [located, w.step('Gather', [kinds, segments])]) : located
  const normal = w.step('LayerNormalization', [sum, gamma, beta], {
    epsilon: float(w.node.float('epsilon', EPSILON)),
  })
  return [normal, mask ? lengths(w, mask) : undefined, sum]
}

/** The rows of the table that belong to the places 0, 1, 2 ... of the ids [rows, places]. */
function firstRows(w: Writer, table: Value, ids: Value): Value {
  const end = w.step('Slice', [w.step('Shape', [ids]), w.ints('second', [1]), w.ints('third', [2])])
  return w.step('Slice', [table, w.ints('zero', [0]), end, w.ints('axis', [0])])
}

/** A mask of ones in front and zeros behind, as the number of ones. */
function lengths(w: Writer, mask: Value): Value {
  const whole = w.step('Cast', [mask], { to: int(codeOf('int32')) })
  return w.step('ReduceSum', [whole, w.ints('last', [1])], { keepdims: int(0) })
}
