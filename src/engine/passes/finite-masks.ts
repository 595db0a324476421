/**
 * Attention masks of minus infinity, or of the smallest float, become a number that Softmax ignores just as well: ranges can be measured
 * then, and sums in integers do not lose everything else to rounding.
 */

import { allGraphs, type Model, type Node, type Value } from '../ir/graph.ts'
import type { Operator } from '../ir/operators.ts'
import { float32, view } from '../ir/tensor.ts'
import { wordsOf } from '../ir/words.ts'
import type { Pass } from './pass.ts'

/** exp of it is 0, also when it was added to a sum */
const MASK = -1e4

/** a mask may be joined with what is added to scores, which is not larger */
const LARGEST_BIAS = 1000

/** what lies between a mask and the Softmax that reads it */
const PATH: ReadonlySet<Operator> = new Set<Operator>([
  ...wordsOf('Add Sub Where Mul Div Concat Max Clip Expand Reshape Unsqueeze Squeeze Slice Transpose Identity Tile'),
])
const MOST_HOPS = 12

export const finiteMasks: Pass = {
  name: 'finite-masks',
  run(model: Model) {
    for (const { initializers } of allGraphs(model.graph)) for (const value of initializers) finite(value)
  },
}

function finite(value: Value): void {
  const { tensor } = value
  if (tensor?.dtype !== 'float32' || !reachesSoftmax(value)) return
  const numbers = view(tensor, 'float32')
  if (!numbers.some((x) => x < MASK) || !numbers.every((x) => x < MASK || Math.abs(x) <= LARGEST_BIAS)) return
  value.tensor = float32(
    tensor.shape,
    numbers.map((x) => Math.max(x, MASK)),
  )
}

/** Whether everything that reads the value leads to Softmax and nowhere else. */
export function reachesSoftmax({ consumers }: Value, hops: number = MOST_HOPS): boolean {
  const readers = [...consumers.keys()]
  return readers.length > 0 && hops > 0 && readers.every((node) => leads(node, hops))
}

function leads(node: Node, hops: number): boolean {
  if (node.domain !== '') return false
  if (node.opType === 'Softmax') return true
  return PATH.has(node.opType) && node.outputs.every((value) => value !== null && reachesSoftmax(value, hops - 1))
}
