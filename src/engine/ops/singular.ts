/** Operators of whose input a small difference near zero is a large one in the result: roots, logarithms, what a quotient divides by. */
import type { Node } from '../ir/graph.ts'
import type { ByOperator } from '../ir/operators.ts'
import { view } from '../ir/tensor.ts'

/** By operator, the place of that input. */
const SINGULAR: ByOperator<number> = { Div: 1, Log: 0, Pow: 0, Reciprocal: 0, Sqrt: 0 }

const byName = new Map<string, number | undefined>(Object.entries(SINGULAR))

/** Whether the node is such an operator for its input at `index`. */
export const isSingular = (node: Node, index: number): boolean =>
  node.domain === '' && byName.get(node.opType) === index && (node.opType !== 'Pow' || takesRoot(node))

/** A power of 1 or more is flat at zero. */
function takesRoot({ inputs }: Node): boolean {
  const exponent = inputs[1]?.tensor
  return exponent?.dtype === 'float32' && view(exponent, 'float32').some((power) => power < 1)
}
