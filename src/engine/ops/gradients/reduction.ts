/** Gradients of reductions. */
import type { Node, Value } from '../../ir/graph.ts'
import { needsRank } from './define.ts'
import { constantInts, type Emitter } from './emitter.ts'
import { normalAxis, range, reduceShape } from './shapes.ts'

/** The reduced axes, from the input or, before operator set 18, the attribute; null when they are computed. */
function axesOf(node: Node): number[] | null {
  const rank = node.inputs[0]?.shape?.length ?? 0
  const given = node.inputs[1] ? constantInts(node.inputs[1]) : (node.ints('axes') ?? [])
  if (!given) return null
  if (given.length > 0) return given.map((axis) => normalAxis(axis, rank))
  return node.int('noop_with_empty_axes', 0) ? [] : range(rank)
}

export const refusesReduction = (node: Node): string | null =>
  needsRank(node) ?? (axesOf(node) === null ? 'its axes are computed at run time' : null)

interface Reduction {
  axes: readonly number[]
  X: Value
  /** upstream gradient and result with the reduced axes kept as 1 */
  dY: Value
  Y: Value
}

/** The gradient before it is spread over the reduced axes. */
export type ReductionGradient = (g: Emitter, reduction: Reduction) => Value

export function reductionGradient(of: ReductionGradient, g: Emitter, X: Value, dY: Value, Y: Value, node: Node): Value {
  const axes = axesOf(node) ?? []
  const kept = (value: Value) => withKeptAxes(g, value, node, axes)
  return g.expandLike(of(g, { axes, X, dY: kept(dY), Y: kept(Y) }), X)
}

function withKeptAxes(g: Emitter, value: Value, node: Node, axes: readonly number[]): Value {
  if (node.int('keepdims', 1) || axes.length === 0) return value
  const shape = reduceShape(node.inputs[0]?.shape, axes, true) ?? []
  const known = value.shape ?? shape.filter((_, i) => !axes.includes(i))
  if (!value.shape) value.shape = known
  return g.unsqueeze(value, axes)
}

/** Equal elements share the gradient of their extreme. */
export const extremeGradient: ReductionGradient = (g, { axes, X, dY, Y }) => {
  const mask = g.castLike(g.compare('Equal', X, Y), X)
  return g.mul(mask, g.div(dY, g.reduceSum(mask, axes)))
}
