/** Gradients of picking by index: each picked element's gradient is added where it came from. */

import { int } from '../../ir/build.ts'
import type { Node, Value } from '../../ir/graph.ts'
import { at } from '../../ir/list.ts'
import { constantInts, constantOf, type Emitter } from './emitter.ts'
import { normalAxis, range } from './shapes.ts'

export const axisOf = (node: Node): number => normalAxis(node.int('axis', 0), node.inputs[0]?.shape?.length ?? 0)

/** A constant index that is no list: the place of the only element picked. */
function onlyIndex(node: Node): number | null {
  const picked = constantInts(node.inputs[1])
  const size = node.inputs[0]?.shape?.[axisOf(node)]
  if (picked?.length !== 1 || typeof size !== 'number') return null
  return normalAxis(at(picked, 0), size)
}

export function gather(g: Emitter, X: Value, indices: Value, dY: Value, node: Node): Value {
  const axis = axisOf(node)
  const only = onlyIndex(node)
  if (only !== null) return placed(g, X, indices, dY, axis, only)
  return picked(g, X, indices, dY, axis)
}

function placed(g: Emitter, X: Value, indices: Value, dY: Value, axis: number, index: number): Value {
  const rankOfIndices = constantOf(indices)?.shape.length ?? 0
  const row =
    rankOfIndices === 1
      ? dY
      : rankOfIndices === 0
        ? g.unsqueeze(dY, [axis])
        : g.squeeze(dY, range(rankOfIndices - 1, axis))
  const begins = (X.shape ?? []).map((_, i) => (i === axis ? index : 0))
  const ends = (X.shape ?? []).map((dim, i) => (i === axis ? (dim as number) - index - 1 : 0))
  const result = g.pad(row, begins, ends)
  if (result !== row) result.shape = X.shape
  return result
}

/** The indices become one axis, are repeated along the others, and the gradient is added at each. */
function picked(g: Emitter, X: Value, indices: Value, dY: Value, axis: number): Value {
  const rank = X.shape?.length ?? 1
  const before = range(axis)
  const after = range(rank - axis - 1, axis + 1)
  const target = g.concat(
    [g.dimsOf(X, before), g.int64s([-1]), g.dimsOf(X, after)].filter(({ shape }) => shape?.[0] !== 0),
    0,
  )
  const count = indices.shape
    ? indices.shape.reduce<number | null>((n, dim) => (n === null || typeof dim !== 'number' ? null : n * dim), 1)
    : null
  const shape = (X.shape ?? []).map((dim, i) => (i === axis ? count : dim))
  const updates = g.node('Reshape', [dY, target], { shape })
  const column = g.node('Reshape', [indices, g.int64s(range(rank).map((i) => (i === axis ? -1 : 1)))], {
    shape: range(rank).map((i) => (i === axis ? count : 1)),
  })
  const repeated = g.node('Expand', [column, g.shapeOf(updates)], { shape })
  return g.scatterAdd(X, repeated, updates, axis)
}

/** Multi-dimensional indices as places in the flattened input. */
export function gatherNd(g: Emitter, X: Value, indices: Value, dY: Value): Value {
  return g.node('ScatterND', [g.zerosLike(X), indices, dY], {
    shape: X.shape,
    attributes: { reduction: { kind: 'string', value: 'add' } },
  })
}

/** Elements that were written over have no gradient. */
export function scatterGradient(g: Emitter, indices: Value, updates: Value, dY: Value, node: Node): Value {
  if (node.string('reduction', 'none') === 'add') return dY
  const attributes = { axis: int(axisOf(node)) }
  return g.node('ScatterElements', [dY, indices, g.zerosLike(updates)], { shape: dY.shape, attributes })
}

export const scatterUpdatesGradient = (g: Emitter, indices: Value, dY: Value, node: Node): Value =>
  g.node('GatherElements', [dY, indices], { shape: indices.shape, attributes: { axis: int(axisOf(node)) } })

export const refusesScatter = (node: Node): string | null =>
  ['none', 'add'].includes(node.string('reduction', 'none')) ? null : 'its reduction is neither none nor add'
