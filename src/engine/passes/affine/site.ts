/** Nodes that multiply by a constant, add one, or do both. */

import { addInitializer, replaceNode } from '../../ir/build.ts'
import type { Graph, Model, Node, Value } from '../../ir/graph.ts'
import type { Operator } from '../../ir/operators.ts'
import { elementCount, float32, view } from '../../ir/tensor.ts'

export interface Site {
  model: Model
  graph: Graph
  node: Node
}

/** What a Mul or an Add reads. */
export interface Operands {
  /** what is computed */
  value: Value
  constant: Float32Array
  /** of the constant */
  shape: readonly number[]
}

/** The computed and the constant operand of a node of that type. */
export function operands(node: Node, opType: Operator): Operands | null {
  const [a, b] = node.inputs
  if (node.opType !== opType || node.domain !== '' || !a || !b || a.isConstant === b.isConstant) return null
  const [value, constant] = a.isConstant ? [b, a] : [a, b]
  if (constant.tensor?.dtype !== 'float32' || value.dtype !== 'float32') return null
  return { value, constant: view(constant.tensor, 'float32'), shape: constant.tensor.shape }
}

export const isScalar = ({ constant, shape }: Operands): boolean => constant.length === 1 && shape.length <= 1

/** Whether somebody besides one node reads the value. */
export const isShared = (value: Value, graph: Graph): boolean =>
  value.consumers.size !== 1 || graph.outputs.includes(value)

/** One number per channel, where the constant varies along no other axis; `behind` axes lie behind that of the channels, in a value of `rank` axes. */
export function perChannel(
  { constant, shape }: Pick<Operands, 'constant' | 'shape'>,
  channels: number,
  rank: number,
  behind: number,
): Float32Array | null {
  if (shape.length > rank) return null
  if (constant.length === 1) return new Float32Array(channels).fill(constant[0]!)
  const axis = shape.length - 1 - behind
  return axis >= 0 && shape[axis] === channels && elementCount(shape) === channels ? constant : null
}

/** Factor and offset of every channel that a BatchNormalization of constants amounts to. */
export function normOf(node: Node): { factors: Float32Array; offsets: Float32Array } | null {
  if (node.opType !== 'BatchNormalization' || node.domain !== '') return null
  if (node.inputs[0]?.dtype !== 'float32' || node.outputs.slice(1).some((output) => output !== null)) return null
  const constants = node.inputs.slice(1, 5).flatMap((value) => (value?.tensor?.dtype === 'float32' ? value.tensor : []))
  const [scale, bias, mean, variance] = constants.map((tensor) => view(tensor, 'float32'))
  if (!scale || !bias || !mean || !variance || node.int('training_mode', 0) !== 0) return null
  const epsilon = node.float('epsilon', 1e-5)
  const factors = scale.map((s, i) => s / Math.sqrt(variance[i]! + epsilon))
  return { factors, offsets: bias.map((b, i) => b - mean[i]! * factors[i]!) }
}

/** x · a · b = x · (a · b) for single numbers. */
export function mergeFactors({ model, graph, node }: Site): boolean {
  const outer = operands(node, 'Mul')
  const inner = outer?.value.producer ? operands(outer.value.producer, 'Mul') : null
  if (!outer || !inner || !isScalar(outer) || !isScalar(inner) || isShared(outer.value, graph)) return false
  const product = float32([], [outer.constant[0]! * inner.constant[0]!])
  const factor = addInitializer(model, graph, `${node.name}_factor`, product)
  const producer = outer.value.producer!
  replaceNode(model, graph, node, 'Mul', [inner.value, factor])
  graph.removeNode(producer)
  return true
}
