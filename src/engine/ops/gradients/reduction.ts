/** Gradients of reductions and running sums. */
import { int } from '../../ir/build.ts'
import type { Node, Value } from '../../ir/graph.ts'
import { type GradientRule, gradient, needsRank, type Table } from './define.ts'
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

const refuses = (node: Node): string | null =>
  needsRank(node) ?? (axesOf(node) === null ? 'its axes are computed at run time' : null)

interface Reduction {
  axes: readonly number[]
  X: Value
  /** upstream gradient and result with the reduced axes kept as 1 */
  dY: Value
  Y: Value
}

function reduction(of: (g: Emitter, reduction: Reduction) => Value): GradientRule {
  return gradient(
    ['X', 'axes?'],
    ['Y'],
    (g, { X }, { Y: dY }, { Y }, node) => {
      const axes = axesOf(node) ?? []
      const kept = (value: Value) => withKeptAxes(g, value, node, axes)
      return { X: () => g.expandLike(of(g, { axes, X, dY: kept(dY), Y: kept(Y) }), X) }
    },
    refuses,
  )
}

function withKeptAxes(g: Emitter, value: Value, node: Node, axes: readonly number[]): Value {
  if (node.int('keepdims', 1) || axes.length === 0) return value
  const shape = reduceShape(node.inputs[0]?.shape, axes, true) ?? []
  const known = value.shape ?? shape.filter((_, i) => !axes.includes(i))
  if (!value.shape) value.shape = known
  return g.unsqueeze(value, axes)
}

/** Equal elements share the gradient of their extreme. */
const extreme = reduction((g, { axes, X, dY, Y }) => {
  const mask = g.castLike(g.compare('Equal', X, Y), X)
  return g.mul(mask, g.div(dY, g.reduceSum(mask, axes)))
})

export const REDUCTION: Table = {
  ReduceSum: reduction((_g, { dY }) => dY),
  ReduceMean: reduction((g, { axes, X, dY }) => g.div(dY, g.count(X, axes))),
  ReduceMax: extreme,
  ReduceMin: extreme,
  ReduceProd: reduction((g, { X, dY, Y }) => g.div(g.mul(dY, Y), X)),
  ReduceL1: reduction((g, { X, dY }) => g.mul(dY, g.unary('Sign', X))),
  ReduceL2: reduction((g, { X, dY, Y }) => g.mul(X, g.div(dY, Y))),
  ReduceSumSquare: reduction((g, { X, dY }) => g.mul(X, g.scale(dY, 2))),
  ReduceLogSum: reduction((g, { dY, Y }) => g.div(dY, g.unary('Exp', Y))),
  ReduceLogSumExp: reduction((g, { X, dY, Y }) => g.mul(dY, g.unary('Exp', g.sub(X, Y)))),
  CumSum: gradient(['X', 'axis'], ['Y'], (g, { X, axis }, { Y: dY }, _outputs, node) => ({
    X: () =>
      g.node('CumSum', [dY, axis], {
        shape: X.shape,
        attributes: { reverse: int(1 - node.int('reverse', 0)), exclusive: int(node.int('exclusive', 0)) },
      }),
  })),
}
