/** A weight in blocks, as constants of the model. */
import { addInitializer } from '../../ir/build.ts'
import type { Graph, Model, Node, Value } from '../../ir/graph.ts'
import { float32, type Tensor, tensorOf } from '../../ir/tensor.ts'
import { type BlockMatrix, type BlockwiseWeight, quantizeBlockwise } from '../../quant/blockwise.ts'
import type { WeightOnlyMethod } from '../../recipe.ts'

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
}

/** How one operator takes its weight in blocks. */
export interface Rewrite {
  /** why a node keeps its weight, or null */
  refuses(node: Node, options: Decided): string | null
  /** what the plan says of a rewritten node */
  describes(node: Node, options: Decided): string
  apply(context: Context, site: Site, options: Decided): void
}

/** smaller weights cost more in scales than they save */
export const SMALLEST = 4096

export const DOMAIN = 'com.microsoft'

/** [integers, scales, zero points unless symmetric], made once for all readers of a weight; `shapeOf` says how the integers lie. */
export function blocksOf(
  { model, known }: Context,
  graph: Graph,
  name: string,
  matrix: BlockMatrix,
  options: Decided,
  shapeOf: (made: BlockwiseWeight) => readonly number[],
): Value[] {
  const key = `${name}\0${matrix.byColumn}`
  const found = known.get(key)
  if (found && graph === model.graph) return found
  const values = addBlocks(model, graph, name, matrix, options, shapeOf)
  if (graph === model.graph) known.set(key, values)
  return values
}

function addBlocks(
  model: Model,
  graph: Graph,
  name: string,
  matrix: BlockMatrix,
  options: Decided,
  shapeOf: (made: BlockwiseWeight) => readonly number[],
): Value[] {
  const { bits, block_size: blockSize, symmetric, search } = options
  const { N } = matrix
  const made = quantizeBlockwise(matrix, { bits, blockSize, symmetric, search })
  const { packed, scales, zeroPoints, blocks } = made
  const add = (suffix: string, tensor: Tensor) => addInitializer(model, graph, `${name}_${suffix}`, tensor)
  return [
    add(`Q${bits}`, tensorOf('uint8', shapeOf(made), packed)),
    add('scales', float32([N, blocks], scales)),
    ...(zeroPoints ? [add('zero_points', tensorOf('uint8', [N, zeroPoints.length / N], zeroPoints))] : []),
  ]
}
