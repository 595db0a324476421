/** Which constants beside the quantized ones are numbers that training may change. */
import type { Model, Node, Value } from '../../ir/graph.ts'
import { elementCount, view } from '../../ir/tensor.ts'
import { inputRole } from '../../ops/define.ts'
import { opOf } from '../../ops/index.ts'

/** Float constants beside the quantized ones: every reader must take them as weights, biases or activations. */
export function isTrained(value: Value, { graph }: Model): boolean {
  const { tensor } = value
  if (tensor?.dtype !== 'float32' || elementCount(tensor.shape) < 2 || value.consumers.size === 0) return false
  const readers = [...value.consumers.keys()]
  return (
    readers.every((node) => readsNumbers(node, value, graph.inputs)) && view(tensor, 'float32').every(Number.isFinite)
  )
}

const NUMBERS = new Set(['weight', 'bias', 'activation'])

/** What only rescales an input of the graph is preprocessing and stays as it is. */
function readsNumbers(node: Node, value: Value, inputs: readonly Value[]): boolean {
  const def = node.domain === '' ? opOf(node) : undefined
  if (!def || !node.inputs.every((read, i) => read !== value || NUMBERS.has(inputRole(def, i).kind))) {
    return def?.class === 'movement' && node.inputs[0] === value
  }
  return !(def.class === 'pointwise' && node.inputs.some((read) => read && inputs.includes(read)))
}
