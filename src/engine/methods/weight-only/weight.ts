/** A weight in blocks, as constants of the model. */

import type { WeightOnlyMethod } from '../../../contract/recipe.ts'
import { type BlockMatrix, type BlockwiseWeight, quantizeBlockwise } from '../../blockwise/blockwise.ts'
import { dequantizable } from '../../blockwise/blockwise-qdq.ts'
import { addInitializer, addNode, int } from '../../ir/build.ts'
import { allGraphs, type Graph, type Model, type Node, type Value } from '../../ir/graph.ts'
import { float32, type Tensor, tensorOf } from '../../ir/tensor.ts'

/** The options of a job with the search decided. */
export type Decided = Omit<WeightOnlyMethod, 'search'> & { search: boolean }

export interface Site {
  graph: Graph
  node: Node
}

export interface Context {
  model: Model
  /** weights of the main graph that lie in blocks already */
  known: Map<string, Value[]>
  /** tables that products read too, in either orientation: both read the same blocks */
  tied: ReadonlySet<Value>
  /** weights that bodies read, behind their DequantizeLinear */
  restored: Map<string, Value>
}

/** How one operator takes its weight in blocks. */
export interface Rewrite {
  /** inputs that it reads weights from */
  weights: readonly number[]
  /** why a node keeps its weight, or null */
  refuses(node: Node, options: Decided): string | null
  /** what the plan says of a rewritten node */
  describes(node: Node, options: Decided): string
  apply(context: Context, site: Site, options: Decided): void
}

/** smaller weights cost more in scales than they save */
export const SMALLEST = 4096

/** A weight in blocks, made once for all its readers: [integers, scales, zero points unless symmetric]. */
export function blocksOf(
  { model, known }: Context,
  graph: Graph,
  name: string,
  matrix: BlockMatrix,
  options: Decided,
  write: (made: BlockwiseWeight, add: AddConstant) => Value[],
): Value[] {
  const key = [name, matrix.byColumn, options.block_size].join('\0')
  const found = known.get(key)
  if (found && graph === model.graph) return found
  const { bits, block_size: blockSize, symmetric, search } = options
  const roundsFirst = options.format === 'qdq'
  const made = quantizeBlockwise(matrix, { bits, blockSize, symmetric, search, roundsFirst })
  const values = write(made, (suffix, tensor) => addInitializer(model, graph, `${name}_${suffix}`, tensor))
  if (graph === model.graph) known.set(key, values)
  return values
}

type AddConstant = (suffix: string, tensor: Tensor) => Value

export interface Layout {
  K: number
  N: number
  /** the axis along which blocks lie */
  axis: number
  byRow?: boolean
  /** axes in front of those of the matrices */
  stack?: readonly number[]
}

/**
 * The weight behind a DequantizeLinear for the node of a site. Where a body reads a weight from outside, the node lies outside too, once for
 * all bodies: ONNX Runtime 1.30 fuses such a node with the product and then does not find the integers.
 */
export function dequantized(
  context: Context,
  site: Site,
  weight: Value,
  matrix: BlockMatrix,
  options: Decided,
  layout: Layout,
): Value {
  const { model, restored } = context
  const graph = ownerOf(model, site.graph, weight)
  const key = [weight.name, layout.axis, options.block_size].join('\0')
  const found = graph === site.graph ? undefined : restored.get(key)
  if (found) return found
  const constants = blocksOf(context, graph, weight.name, matrix, options, forDequantize(options, layout))
  const value = addNode(model, graph, 'DequantizeLinear', constants, {
    name: `${weight.name}_DequantizeLinear`,
    attributes: { axis: int(layout.axis), block_size: int(options.block_size) },
  })
  if (graph !== site.graph) restored.set(key, value)
  return value
}

/** The graph that holds a constant which a node of `graph` reads. */
function ownerOf({ graph: main }: Model, graph: Graph, weight: Value): Graph {
  if (graph.initializers.has(weight)) return graph
  return [...allGraphs(main)].find(({ initializers }) => initializers.has(weight)) ?? graph
}

/** As the operators of com.microsoft take it; `shape` is that of the packed integers. */
export const forContrib =
  (N: number, bits: number, shape: (made: BlockwiseWeight) => readonly number[]) =>
  (made: BlockwiseWeight, add: AddConstant): Value[] => {
    const { packed, scales, zeroPoints, blocks } = made
    return [
      add(`Q${bits}`, tensorOf('uint8', shape(made), packed)),
      add('scales', float32([N, blocks], scales)),
      ...(zeroPoints ? [add('zero_points', tensorOf('uint8', [N, zeroPoints.length / N], zeroPoints))] : []),
    ]
  }

/** As DequantizeLinear takes it. */
const forDequantize =
  ({ bits, block_size: blockSize }: Decided, layout: Layout) =>
  (made: BlockwiseWeight, add: AddConstant): Value[] => {
    const { integers, scales, zeroPoints } = dequantizable(made, { bits, blockSize, ...layout })
    return [add(`Q${bits}`, integers), add('scales', scales), ...(zeroPoints ? [add('zero_points', zeroPoints)] : [])]
  }

/** The largest block that rows of a table can be cut into, not larger than that of the job; null when there is none. */
export function blockSizeFor(width: number, { block_size }: Decided): Decided['block_size'] | null {
  for (let size = block_size as number; size >= LEAST_BLOCK; size /= 2)
    if (width % size === 0) return size as Decided['block_size']
  return null
}

/** smallest block that the operators take */
export const LEAST_BLOCK = 16
