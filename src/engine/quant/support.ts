/** What a target says of a node's operator. */
import type { Node } from '../ir/graph.ts'
import type { IntegerTarget, OperatorSupport } from '../targets/target.ts'

const ANY: OperatorSupport = { output: 'required' }

/** undefined where the target has no integer form of it; a profile without a table takes every operator that has a definition. */
export function supportOf({ operators }: IntegerTarget, { opType }: Node): OperatorSupport | undefined {
  if (Object.hasOwn(operators, opType)) return operators[opType]
  return Object.keys(operators).length === 0 ? ANY : undefined
}
