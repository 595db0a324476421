/** Undoes broadcasting: sums a gradient over the axes along which its value was repeated. */
import { int } from '../ir/build.ts'
import type { Dim, Value } from '../ir/graph.ts'
import type { Emitter } from '../ops/gradients/emitter.ts'
import { range, type Shape } from '../ops/gradients/shapes.ts'

/** `gradient` in the shape of `value`. Where free dimensions leave open whether an operator that `broadcasts` did so, the run decides. */
export function unbroadcast(g: Emitter, gradient: Value, value: Value, broadcasts: boolean): Value {
  const { shape } = value
  if (gradient.shape && shape && !(broadcasts && isUnclear(gradient.shape, shape)))
    return summed(g, gradient, value, shape)
  if (broadcasts) return sumAtRunTime(g, gradient, value)
  gradient.shape ??= shape
  return gradient
}

function summed(g: Emitter, gradient: Value, value: Value, shape: Shape): Value {
  const from = gradient.shape ?? []
  const lead = from.length - shape.length
  const axes = range(from.length).filter((i) => i < lead || (shape[i - lead] === 1 && from[i] !== 1))
  if (axes.length === 0) return gradient
  const onlyLead = axes.length === lead
  const sum = g.reduceSum(gradient, axes, !onlyLead)
  return lead > 0 && !onlyLead ? g.reshapeLike(sum, value) : sum
}

/** Whether a dimension of `to` might be 1 where that of `from` is not. */
function isUnclear(from: Shape, to: Shape): boolean {
  const lead = from.length - to.length
  const free = (dim: Dim, i: number) => typeof dim !== 'number' && (dim === null || dim !== from[i + lead])
  return lead < 0 || to.some(free)
}

/** The axes are those where the value's run-time shape, with ones in front, is 1. */
function sumAtRunTime(g: Emitter, gradient: Value, value: Value): Value {
  const [have, want] = [g.node('Shape', [gradient], { dtype: 'int64' }), g.node('Shape', [value], { dtype: 'int64' })]
  const lead = g.sub(
    g.node('Shape', [have], { dtype: 'int64', shape: [1] }),
    g.node('Shape', [want], { dtype: 'int64', shape: [1] }),
  )
  const ones = g.node('Expand', [g.int64s([1]), lead], { shape: [null] })
  const padded = g.concat([ones, want], 0)
  const isOne = g.compare('Equal', padded, g.int64s([1]))
  const axes = g.node('Reshape', [g.node('NonZero', [isOne], { dtype: 'int64', shape: [1, null] }), g.int64s([-1])], {
    shape: [null],
  })
  const attributes = { keepdims: int(1), noop_with_empty_axes: int(1) }
  const sum = g.node('ReduceSum', [gradient, axes], { attributes })
  return g.node('Reshape', [sum, want], { shape: value.shape })
}
