/**
 * Averages that end under a root or a quotient, as the variances of a normalization do: a sample of which all the numbers are small has the
 * average 0 after rounding, and what is divided by it reaches hundreds of times what it was.
 */
import type { Node, Value } from '../ir/graph.ts'
import { opOf } from '../ops/index.ts'
import { isSingular } from '../ops/singular.ts'

/** The reason in plans. */
export const MAGNIFIED = 'a root or a quotient behind it magnifies its rounding'

/** Nodes of a sorted graph that are no multiplications and whose result reaches such an operator through sums with constants, clamps and movements only. */
export function magnifiedNodes(order: readonly Node[]): Node[] {
  const found = new Set<Node>()
  const magnifies = (reader: Node, value: Value): boolean =>
    (passesOn(reader) && found.has(reader)) ||
    reader.inputs.some((input, index) => input === value && isSingular(reader, index))
  for (const node of order.toReversed())
    if (node.outputs.some((value) => value && [...value.consumers.keys()].some((reader) => magnifies(reader, value))))
      found.add(node)
  return [...found].filter((node) => opOf(node)?.class !== 'multiply')
}

function passesOn(node: Node): boolean {
  const def = opOf(node)
  if (!def || node.inputs.filter((input) => input && !input.isConstant).length !== 1) return false
  return def.sums === true || def.class === 'clamp' || def.class === 'movement'
}
