/**
 * scores + (bias + mask) becomes (scores + bias) + mask. Half of a symmetric type lies above 0, where nothing of a mask does: one range for
 * both rounds the bias twice as coarsely as it has to.
 */
import { addInitializer, addNode, replaceNode } from '../ir/build.ts'
import { freshName, type Graph, type Model, type Node, Value } from '../ir/graph.ts'
import { float32, view } from '../ir/tensor.ts'
import { reachesSoftmax } from './finite-masks.ts'
import type { Pass } from './pass.ts'

/** Between what a mask hides and what it does not, no number lies for as long as this. */
const GAP = 50
const MOST_HOPS = 6

export const masksLast: Pass = {
  name: 'masks-last',
  run: (model) => {
    for (const node of [...model.graph.nodes]) apart(model, model.graph, node)
  },
}

function apart(model: Model, graph: Graph, node: Node): void {
  const [sum] = node.outputs
  if (!isSum(node) || !sum?.shape || !reachesSoftmax(sum)) return
  for (const joined of node.inputs) {
    const scores = node.inputs.find((value) => value !== joined)
    if (!joined || !scores || !hasShape(scores, sum.shape) || !reachesSoftmax(joined)) continue
    const parts = partsOf(model, graph, joined)
    if (!parts) continue
    const biased = new Value(freshName(model, `${sum.name}_biased`), sum.dtype, sum.shape)
    addNode(model, graph, 'Add', [scores, parts.bias], { name: `${node.name}_bias`, outputs: [biased] })
    replaceNode(model, graph, node, 'Add', [biased, parts.mask])
    return
  }
}

const isSum = ({ opType, domain }: Node): boolean => opType === 'Add' && domain === ''

const hasShape = ({ shape }: Value, wanted: readonly unknown[]): boolean => shape?.join() === wanted.join()

interface Parts {
  bias: Value
  mask: Value
}

function partsOf(model: Model, graph: Graph, joined: Value): Parts | null {
  if (joined.tensor) return partsOfConstant(model, graph, joined)
  const { producer } = joined
  if (!producer || !isSum(producer)) return null
  const [a, b] = producer.inputs
  if (!a || !b || isMask(a) === isMask(b)) return null
  return isMask(a) ? { bias: b, mask: a } : { bias: a, mask: b }
}

/** What is an input and leads nowhere else, or is computed with a number that no bias has. */
function isMask(value: Value, hops: number = MOST_HOPS): boolean {
  if (value.tensor) return value.tensor.dtype === 'float32' && splitAt(view(value.tensor, 'float32')) !== null
  const { producer } = value
  if (!producer) return value.dtype === 'float32'
  if (hops === 0 || isSum(producer)) return false
  return producer.inputs.some((input) => input && (isLarge(input) || isMask(input, hops - 1)))
}

const isLarge = ({ tensor }: Value): boolean =>
  tensor?.dtype === 'float32' && view(tensor, 'float32').some((x) => x <= -2 * GAP)

/** A constant as a bias that is 0 where the mask hides, and the mask; null where it is but one of them. */
function partsOfConstant(model: Model, graph: Graph, { tensor, name }: Value): Parts | null {
  if (tensor?.dtype !== 'float32') return null
  const numbers = view(tensor, 'float32')
  const limit = splitAt(numbers)
  if (limit === null || !numbers.some((x) => x > limit && x !== 0)) return null
  const part = (of: string, keep: (x: number) => boolean) =>
    addInitializer(
      model,
      graph,
      `${name}_${of}`,
      float32(
        tensor.shape,
        numbers.map((x) => (keep(x) ? x : 0)),
      ),
    )
  return { bias: part('bias', (x) => x > limit), mask: part('mask', (x) => x <= limit) }
}

/** The largest number that hides; null where no gap lies between such numbers and the others. */
function splitAt(numbers: Float32Array): number | null {
  if (!numbers.some((x) => x <= -GAP)) return null
  const sorted = Float32Array.from(numbers).sort()
  const hiding = sorted.findLastIndex((x, i) => x <= -GAP && i + 1 < sorted.length && sorted[i + 1]! - x >= GAP)
  return hiding < 0 ? null : sorted[hiding]!
}
