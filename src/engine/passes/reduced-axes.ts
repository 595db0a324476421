/** Along which axes a reduction goes. */
import type { Node } from '../ir/graph.ts'
import { view } from '../ir/tensor.ts'

/** An attribute until operator set 17, an input from 18 on; undefined where they are all, or not constant. */
export function axesOf(node: Node): number[] | undefined {
  const [, given] = node.inputs
  if (given?.tensor?.dtype === 'int64') return [...view(given.tensor, 'int64')].map(Number)
  const axes = given ? undefined : node.ints('axes')
  return axes && [...axes]
}
