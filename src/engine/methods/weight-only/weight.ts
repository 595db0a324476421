/** A weight in blocks, as constants of the model. */

import type { WeightOnlyMethod } from '../../../contract/recipe.ts'
import { type BlockMatrix, type BlockwiseWeight, quantizeBlockwise } from '../../blockwise/blockwise.ts'
import { dequantizable } from '../../blockwise/blockwise-qdq.ts'
import { addInitializer } from '../../ir/build.ts'
import type { Graph, Model, Node, Value } from '../../ir/graph.ts'
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

/** A weight in blocks, made once for all its readers: [integers, scales, zero points unless symmetric]. */
export function blocksOf(
  { model, known }: Context,
  graph: Graph,
  name: string,
  matrix: BlockMatrix,
  options: Decided,
  write: (made: BlockwiseWeight, add: AddConstant) => Value[],
): Value[] {
  const key = `${name}\0${matrix.byColumn}`
  const found = known.get(key)
  if (found && graph === model.graph) return found
  const { bits, block_size: blockSize, symmetric, search } = options
  const roundsFirst = options.format === 'qdq'
  const made = quantizeBlockwise(matrix, { bits, blockSize, symmetric, search, roundsFirst })
  const values = write(made, (suffix, tensor) => addInitializer(model, graph, `${name}_${suffix}`, tensor))
  if (graph === model.graph) known.set(key, values)
  return values
}

export type AddConstant = (suffix: string, tensor: Tensor) => Value

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
export const forDequantize =
  (K: number, N: number, { bits, block_size: blockSize }: Decided, byRow = false) =>
  (made: BlockwiseWeight, add: AddConstant): Value[] => {
    const { integers, scales, zeroPoints } = dequantizable(made, { K, N, bits, blockSize, byRow })
    return [add(`Q${bits}`, integers), add('scales', scales), ...(zeroPoints ? [add('zero_points', zeroPoints)] : [])]
  }
