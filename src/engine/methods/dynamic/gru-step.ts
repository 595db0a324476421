/** One step of a GRU as the body of a Scan. */

import { addInitializer, addNode, int, ints } from '../../ir/build.ts'
import { freshName, Graph, type Model, Value } from '../../ir/graph.ts'
import type { Operator } from '../../ir/operators.ts'
import { float32, int64, type Tensor, view } from '../../ir/tensor.ts'
import type { DynamicContext } from './context.ts'
import { integerProduct } from './product.ts'

/** z, r, h */
export const GATES = 3

/** One direction: weights [3 · hidden, columns], biases [3 · hidden]. */
export interface Direction {
  name: string
  hidden: number
  w: Value
  r: Value
  inputBias: Float32Array
  stateBias: Float32Array
  isBackward: boolean
  /** the reset gate is applied behind the product with the state */
  resetsLate: boolean
}

/** One step: (state, projected inputs) → (next state, the same as an output). */
export function stepOf(context: DynamicContext, direction: Direction): Graph {
  const { model } = context
  const { name, hidden } = direction
  const body = new Graph(`${name}_step`)
  const fresh = (base: string, width: number) =>
    new Value(freshName(model, `${name}_${base}`), 'float32', [null, width])
  const [state, projected] = [fresh('state', hidden), fresh('gates', GATES * hidden)]
  body.inputs.push(state, projected)
  const node = (opType: Operator, ...inputs: Value[]) => addNode(model, body, opType, inputs)
  const [zr, candidate] = split(model, body, projected, [2 * hidden, hidden])
  const { z, late } = gatesOf(context, body, direction, state, zr)
  const next = node('Tanh', node('Add', candidate, late))
  const stateBehind = node('Add', next, node('Mul', z, node('Sub', state, next)))
  body.outputs.push(stateBehind, node('Identity', stateBehind))
  return body
}

/** The update gate, and what the state adds to the candidate. */
function gatesOf(context: DynamicContext, body: Graph, direction: Direction, state: Value, zr: Value) {
  const { model } = context
  const { name, hidden, r, stateBias, resetsLate } = direction
  const node = (opType: Operator, ...inputs: Value[]) => addNode(model, body, opType, inputs)
  const product = (base: string, of: Value, weight: Value) => {
    const output = new Value(freshName(model, `${name}_${base}`), 'float32')
    integerProduct(context, body, `${name}_${base}`, of, weight, true, output)
    return output
  }
  const gates = (fromState: Value) => split(model, body, node('Sigmoid', node('Add', zr, fromState)), [hidden, hidden])
  if (resetsLate) {
    const [sums, candidate] = split(model, body, product('recurrent', state, r), [2 * hidden, hidden])
    const bias = float32([hidden], stateBias.slice(2 * hidden))
    const [z, reset] = gates(sums)
    return { z, late: node('Mul', reset, node('Add', candidate, addInitializer(model, body, `${name}_late`, bias))) }
  }
  const [gateRows, candidateRows] = cut(r, 2 * hidden)
  const [z, reset] = gates(product('recurrent', state, gateRows))
  return { z, late: product('candidate', node('Mul', reset, state), candidateRows) }
}

/** from this operator set on Split takes its sizes as an input */
const SIZES_AS_INPUT = 13

function split(model: Model, graph: Graph, value: Value, sizes: readonly [number, number]): [Value, Value] {
  const asInput = (model.opsets.get('') ?? 0) >= SIZES_AS_INPUT
  const parts = sizes.map((size) => new Value(freshName(model, `${value.name}_part`), 'float32', [null, size]))
  const inputs = asInput ? [value, addInitializer(model, graph, 'sizes', int64([2], sizes))] : [value]
  addNode(model, graph, 'Split', inputs, {
    outputs: parts,
    attributes: { axis: int(1), ...(!asInput && { split: ints(sizes) }) },
  })
  return [parts[0]!, parts[1]!]
}

/** A constant of no graph. */
export const matrix = (name: string, values: Float32Array, columns: number): Value => {
  const shape = [values.length / columns, columns]
  return new Value(name, 'float32', shape, float32(shape, values))
}

/** The first rows of a matrix, and the rest. */
function cut({ name, tensor }: Value, rows: number): [Value, Value] {
  const { shape } = tensor as Tensor
  const columns = shape[1]!
  const values = view(tensor as Tensor, 'float32')
  return [
    matrix(`${name}_zr`, values.slice(0, rows * columns), columns),
    matrix(`${name}_h`, values.slice(rows * columns), columns),
  ]
}
