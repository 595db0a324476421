/** GRU with int8 weights, for which ONNX Runtime has no kernel: one product for the inputs of all steps, and one per step in the body of a Scan. */

import { addInitializer, addNode, int, ints } from '../../ir/build.ts'
import { freshName, type Graph, type Model, type Node, Value } from '../../ir/graph.ts'
import { at } from '../../ir/list.ts'
import { float32, int64, type Tensor, view } from '../../ir/tensor.ts'
import { type DynamicContext, floatConstant, type Rewrite } from './context.ts'
import { type Direction, GATES, matrix, stepOf } from './gru-step.ts'
import { integerProduct } from './product.ts'

/** Smaller ones lose more by the steps of a Scan than integers win: 0.27 ms instead of 0.04 at 64, 0.44 of 0.44 at 256, 0.92 of 2.1 at 512. */
const LEAST_HIDDEN = 256

const DEFAULT_ACTIVATIONS = ['sigmoid', 'tanh']

export const gru: Rewrite = {
  weightIndex: 1,
  weights: [1, 2],
  smallestRank: 3,
  reason: 'int8 weights, activations quantized at run time, the state at every step',
  refuses: (node, weight) => {
    const hidden = at(weight.shape, 1) / GATES
    if (node.int('layout', 0) !== 0) return 'its integer form knows no batch-major layout'
    if (!floatConstant(node.inputs[2])) return 'its recurrent weight is not a float32 constant'
    if (node.inputs[3] && !floatConstant(node.inputs[3])) return 'its bias is not a float32 constant'
    if (node.inputs[4]) return 'its sequences have lengths of their own'
    if (node.attributes.has('clip') || !hasDefaultActivations(node)) return 'its activations are not the usual ones'
    return hidden < LEAST_HIDDEN ? `with ${hidden} hidden units its integer form would be slower` : null
  },
  apply: rewriteGru,
}

function hasDefaultActivations({ attributes }: Node): boolean {
  const names = attributes.get('activations')
  if (names?.kind !== 'strings') return names === undefined
  return names.value.every((name, i) => name.toLowerCase() === DEFAULT_ACTIVATIONS[i % 2])
}

function rewriteGru(context: DynamicContext, graph: Graph, node: Node): void {
  const { model } = context
  const [x, , , , , initial] = node.inputs
  const directions = directionsOf(node)
  const [{ hidden }] = directions as [Direction]
  if (!x) return
  const outputs = [...node.outputs]
  graph.removeNode(node)
  const runs = directions.map((direction, d) => {
    const state = initial
      ? addNode(model, graph, 'Gather', [initial, addInitializer(model, graph, 'direction', int64([], [d]))], {
          attributes: { axis: int(0) },
        })
      : zeros(model, graph, x, hidden)
    return scan(context, graph, direction, x, state)
  })
  const all = { results: runs.map((run) => run.all), shape: [0, 1, -1, hidden], axis: 1 }
  const last = { results: runs.map((run) => run.last), shape: [1, -1, hidden], axis: 0 }
  for (const [i, joined] of [all, last].entries()) if (outputs[i]) joinDirections(model, graph, outputs[i], joined)
}

function directionsOf(node: Node): Direction[] {
  const [w, r, b] = node.inputs.slice(1, 4).map((value) => value?.tensor) as [Tensor, Tensor, Tensor | undefined]
  const [count, rows] = w.shape as [number, number]
  const biases = b ? view(b, 'float32') : new Float32Array(2 * count * rows)
  return Array.from({ length: count }, (_, d) => ({
    name: `${node.name}_${d}`,
    hidden: rows / GATES,
    w: part(`${node.name}_W${d}`, w, d),
    r: part(`${node.name}_R${d}`, r, d),
    inputBias: biases.slice(2 * d * rows, (2 * d + 1) * rows),
    stateBias: biases.slice((2 * d + 1) * rows, 2 * (d + 1) * rows),
    isBackward: d === 1 || node.string('direction', 'forward') === 'reverse',
    resetsLate: node.int('linear_before_reset', 0) === 1,
  }))
}

/** The matrix at an index of the first axis, as a constant of no graph. */
function part(name: string, tensor: Tensor, index: number): Value {
  const [, rows, columns] = tensor.shape as [number, number, number]
  return matrix(name, view(tensor, 'float32').slice(index * rows * columns, (index + 1) * rows * columns), columns)
}

interface Run {
  /** [steps, sequences, hidden] */
  all: Value
  /** [sequences, hidden] */
  last: Value
}

/** All steps of a direction from a state [sequences, hidden]. */
function scan(context: DynamicContext, graph: Graph, direction: Direction, x: Value, state: Value): Run {
  const { model } = context
  const { name, hidden, w, inputBias, stateBias, isBackward, resetsLate } = direction
  // What is added to the gates at every step can be added to all of them at once; behind a late reset the candidate's own cannot.
  const early = inputBias.map((bias, i) => bias + (resetsLate && i >= 2 * hidden ? 0 : stateBias[i]!))
  const product = new Value(freshName(model, `${name}_product`), 'float32')
  integerProduct(context, graph, `${name}_inputs`, x, w, true, product)
  const projected = addNode(model, graph, 'Add', [
    product,
    addInitializer(model, graph, `${name}_bias`, float32([early.length], early)),
  ])
  const [last, all] = ['last', 'states'].map((end) => new Value(freshName(model, `${name}_${end}`), 'float32'))
  const backward = isBackward && { scan_input_directions: ints([1]), scan_output_directions: ints([1]) }
  addNode(model, graph, 'Scan', [state, projected], {
    name: `${name}_steps`,
    outputs: [last!, all!],
    attributes: { body: { kind: 'graph', value: stepOf(context, direction) }, num_scan_inputs: int(1), ...backward },
  })
  return { all: all!, last: last! }
}

/** [sequences, hidden] of zeros, for as many sequences as x has. */
function zeros(model: Model, graph: Graph, x: Value, hidden: number): Value {
  const constant = (name: string, numbers: readonly number[]) =>
    addInitializer(model, graph, name, int64([numbers.length], numbers))
  const sequences = addNode(
    model,
    graph,
    'Gather',
    [addNode(model, graph, 'Shape', [x]), constant('sequences_axis', [1])],
    { attributes: { axis: int(0) } },
  )
  const shape = addNode(model, graph, 'Concat', [sequences, constant('hidden', [hidden])], {
    attributes: { axis: int(0) },
  })
  return addNode(model, graph, 'ConstantOfShape', [shape])
}

interface Joined {
  results: readonly Value[]
  /** of each, with an axis of directions */
  shape: readonly number[]
  /** the axis of directions */
  axis: number
}

/** Gives each result an axis of directions and joins them there. */
function joinDirections(model: Model, graph: Graph, output: Value, { results, shape, axis }: Joined): void {
  const target = addInitializer(model, graph, `${output.name}_shape`, int64([shape.length], shape))
  const only = results.length === 1
  const parts = results.map((result) =>
    addNode(model, graph, 'Reshape', [result, target], only ? { outputs: [output] } : {}),
  )
  if (!only) addNode(model, graph, 'Concat', parts, { outputs: [output], attributes: { axis: int(axis) } })
}
