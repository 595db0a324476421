/** What a target says of a node's operator. */
import type { Node } from '../ir/graph.ts'
import { opOf } from '../ops/index.ts'
import type { IntegerTarget, OperatorSupport } from '../targets/target.ts'

const ANY: OperatorSupport = { output: 'required' }

/** Why the target has no integer form of this node, or null. */
export function lackOf(target: IntegerTarget, node: Node): string | null {
  const support = supportOf(target, node)
  if (!support) return `${target.id} has no integer form of ${node.opType}`
  const wrong = Object.entries(support.attributes ?? {}).find(([name, allowed]) => {
    const value = attributeOf(node, name)
    return value === undefined || !allowed.includes(value)
  })
  return wrong
    ? `${target.id} computes ${node.opType} in integers only with ${wrong[0]} ${wrong[1].join(' or ')}`
    : null
}

function attributeOf(node: Node, name: string): string | number | undefined {
  const attribute = node.attributes.get(name)
  if (attribute?.kind === 'int' || attribute?.kind === 'string' || attribute?.kind === 'float') return attribute.value
  return opOf(node)?.defaults?.[name]
}

/** undefined where the target has no integer form of it; a profile without a table takes every operator that has a definition. */
export function supportOf({ operators }: IntegerTarget, { opType }: Node): OperatorSupport | undefined {
  if (Object.hasOwn(operators, opType)) return operators[opType]
  return Object.keys(operators).length === 0 ? ANY : undefined
}
