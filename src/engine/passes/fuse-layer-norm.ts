/** (x − mean) ÷ √(variance + ε), written in single operators, is one LayerNormalization: squares and roots lose in a few bits what one kernel keeps. */
import { addInitializer, float, int } from '../ir/build.ts'
import { allGraphs, type Graph, type Model, type Node, type Value } from '../ir/graph.ts'
import { float32 } from '../ir/tensor.ts'
import { isShared, operands, perChannel } from './affine/site.ts'
import { numberOf } from './factors.ts'
import { alongAxis } from './move-axis.ts'
import { raiseOpset } from './newer-opsets.ts'
import type { Pass } from './pass.ts'
import { axesOf } from './reduced-axes.ts'

/** the operator set that brought LayerNormalization */
const HAS_LAYER_NORM = 17
/** what ONNX takes where nothing is said */
const LARGEST_EPSILON = 1e-2

/** Nodes that `stays` names are left alone. */
export const fuseLayerNorm = (stays: (node: Node) => boolean): Pass => ({
  name: 'fuse-layer-norm',
  run: (model) => {
    for (const graph of allGraphs(model.graph))
      for (const node of [...graph.nodes]) if (graph.nodes.has(node) && !stays(node)) rewrite(model, graph, node)
  },
})

function rewrite(model: Model, graph: Graph, node: Node): void {
  const norm = normOf(node)
  const shape = norm?.x.shape
  const size = norm && shape?.[norm.axis]
  if (!norm || !shape || typeof size !== 'number' || !raiseOpset(model, HAS_LAYER_NORM)) return
  const channels = { size, rank: shape.length, behind: shape.length - 1 - norm.axis }
  const scaled = follow(node, 'Mul', channels, graph)
  const moved = follow(scaled?.node ?? node, 'Add', channels, graph)
  const constant = (name: string, numbers: Float32Array) =>
    addInitializer(model, graph, `${node.name}_${name}`, float32([size], numbers))
  const scale = constant('scale', scaled?.numbers ?? new Float32Array(size).fill(1))
  const bias = moved ? [constant('bias', moved.numbers)] : []
  const place = { model, graph, node: moved?.node ?? scaled?.node ?? node, axis: norm.axis, shape }
  alongAxis(place, 'LayerNormalization', [norm.x, scale, ...bias], {
    attributes: { axis: int(-1), epsilon: float(norm.epsilon) },
  })
}

interface Norm {
  x: Value
  axis: number
  epsilon: number
}

/** What the node normalizes, where it is d ÷ √(mean(d²) + ε) along one axis, with d = x − mean(x); the reciprocal of the root does as well. */
function normOf(node: Node): Norm | null {
  const [difference, spread] = quotientOf(node) ?? []
  const centre = difference && centred(difference)
  if (!centre || spread?.opType !== 'Sqrt') return null
  const sum = spread.inputs[0]?.producer
  if (sum?.opType !== 'Add') return null
  const index = sum.inputs.findIndex((value) => numberOf(value) !== null)
  const epsilon = numberOf(sum.inputs[index])
  const variance = sum.inputs[1 - index]?.producer
  if (epsilon === null || epsilon > LARGEST_EPSILON || !variance || meanAxisOf(variance) !== centre.axis) return null
  return isSquare(variance.inputs[0], difference) ? { ...centre, epsilon } : null
}

function quotientOf({ opType, domain, inputs }: Node): [Value, Node] | null {
  const [a, b] = inputs
  if (domain !== '' || !a || !b) return null
  if (opType === 'Div') return b.producer ? [a, b.producer] : null
  if (opType !== 'Mul') return null
  return reciprocal(a, b) ?? reciprocal(b, a)
}

function reciprocal(a: Value, b: Value): [Value, Node] | null {
  const root = b.producer?.opType === 'Reciprocal' ? b.producer.inputs[0]?.producer : null
  return root ? [a, root] : null
}

/** The x of x − mean(x), and the axis of the mean. */
function centred({ producer }: Value): Pick<Norm, 'x' | 'axis'> | null {
  const [x, mean] = producer?.opType === 'Sub' ? producer.inputs : []
  const axis = mean?.producer ? meanAxisOf(mean.producer) : null
  return x && axis !== null && mean?.producer?.inputs[0] === x ? { x, axis } : null
}

/** The one axis of a mean that keeps it, not negative. */
function meanAxisOf(node: Node): number | null {
  const rank = node.inputs[0]?.shape?.length
  if (node.opType !== 'ReduceMean' || node.domain !== '' || node.int('keepdims', 1) !== 1 || !rank) return null
  const [axis, ...others] = axesOf(node) ?? []
  return axis === undefined || others.length > 0 ? null : axis < 0 ? axis + rank : axis
}

function isSquare(value: Value | null | undefined, of: Value): boolean {
  const node = value?.producer
  if (node?.opType === 'Mul') return node.inputs.every((input) => input === of)
  return node?.opType === 'Pow' && node.inputs[0] === of && numberOf(node.inputs[1]) === 2
}

interface Channels {
  size: number
  /** of the value, and how many of its axes lie behind that of the channels */
  rank: number
  behind: number
}

interface Followed {
  node: Node
  numbers: Float32Array
}

/** The only reader of the node's result, where it multiplies by or adds one number for each index of the axis. */
function follow(node: Node, opType: 'Mul' | 'Add', { size, rank, behind }: Channels, graph: Graph): Followed | null {
  const [output] = node.outputs
  const [reader] = output?.consumers.keys() ?? []
  if (!output || !reader || isShared(output, graph)) return null
  const found = operands(reader, opType)
  const numbers = found && perChannel(found, size, rank, behind)
  return numbers ? { node: reader, numbers: new Float32Array(numbers) } : null
}
