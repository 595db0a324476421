/** Constants that are multiplied with a transposed value get as many axes as it has: ONNX Runtime crashes on fewer in half precision. */
import { addInitializer } from '../ir/build.ts'
import { allGraphs, type Graph, type Model, type Node, type Value } from '../ir/graph.ts'
import type { Tensor } from '../ir/tensor.ts'
import type { Pass } from './pass.ts'

/** A product of a transposed value with a constant of another rank. */
export interface UnevenProduct {
  /** which input of the product is the constant, or a Cast of it */
  index: number
  constant: Value
  tensor: Tensor
  /** of the transposed value */
  rank: number
  /** whether a Cast stands between the two */
  isCast: boolean
}

/**
 * What ONNX Runtime 1.30 fuses into a FusedMatMul with transBatchA or transBatchB, which has no shape where the ranks differ: at the level `all`
 * its next pass over a float16 model reads that shape and dies. It looks through a Cast, and only at permutations that bring the first axis to one
 * of the last two places and keep the order of the others.
 */
export function unevenProduct({ opType, domain, inputs }: Node): UnevenProduct | null {
  if (opType !== 'MatMul' || domain !== '') return null
  for (const index of [0, 1]) {
    const factor = inputs[index]
    const constant = factor?.producer?.opType === 'Cast' ? factor.producer.inputs[0] : factor
    const other = inputs[1 - index]?.producer ?? null
    const isCast = other?.opType === 'Cast'
    const order = permutationOf(isCast ? (other.inputs[0]?.producer ?? null) : other)
    const tensor = constant?.tensor
    if (!constant || !tensor || !order || !movesBatch(order) || tensor.shape.length === order.length) continue
    return { index, constant, tensor, rank: order.length, isCast }
  }
  return null
}

const permutationOf = (node: Node | null): readonly number[] | undefined =>
  node?.opType === 'Transpose' ? node.ints('perm') : undefined

/** [1, 2, …, 0, last] and [1, 2, …, last, 0] */
const movesBatch = (order: readonly number[]): boolean =>
  order.length > 2 && order.slice(0, -2).every((axis, i) => axis === i + 1)

/** A vector stays one: with more axes the product would have them too. */
export const levelProducts: Pass = {
  name: 'level-products',
  run(model: Model) {
    const made = new Map<string, Value>()
    for (const graph of allGraphs(model.graph)) for (const node of [...graph.nodes]) level(model, node, made)
  },
}

function level(model: Model, node: Node, made: Map<string, Value>): void {
  const found = unevenProduct(node)
  if (
    !found ||
    node.inputs[found.index] !== found.constant ||
    found.tensor.shape.length < 2 ||
    found.tensor.shape.length > found.rank
  )
    return
  const { index, constant, tensor, rank } = found
  const key = `${rank} ${constant.name}`
  const raised = made.get(key) ?? raise(model, homeOf(model, constant), constant, tensor, rank)
  made.set(key, raised)
  node.setInput(index, raised)
}

/** Other products that may read the raised constant do so, so that it is stored once. */
function raise(model: Model, graph: Graph, constant: Value, tensor: Tensor, rank: number): Value {
  const shape = [...Array<number>(rank - tensor.shape.length).fill(1), ...tensor.shape]
  const raised = addInitializer(model, graph, constant.name, { dtype: tensor.dtype, shape, data: tensor.data })
  for (const reader of [...constant.consumers.keys()])
    for (const [i, input] of reader.inputs.entries())
      if (input === constant && takesRank(reader, i, rank)) reader.setInput(i, raised)
  return raised
}

const takesRank = ({ opType, domain, inputs }: Node, index: number, rank: number): boolean =>
  opType === 'MatMul' && domain === '' && (inputs[1 - index]?.shape?.length ?? 0) >= rank

const homeOf = (model: Model, constant: Value): Graph =>
  [...allGraphs(model.graph)].find(({ initializers }) => initializers.has(constant)) ?? model.graph
