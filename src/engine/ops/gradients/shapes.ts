/** Shapes of the values that gradient rules emit, as far as they are known when the graph is built. */

import type { Dim } from '../../ir/graph.ts'
import { at } from '../../ir/list.ts'

export type Shape = readonly Dim[]

export const isFixed = (shape: Shape | undefined): shape is readonly number[] =>
  shape?.every((dim) => typeof dim === 'number') ?? false

/** The axis counted from the front. */
export const normalAxis = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis)

/** `count` numbers from `start`. */
export const range = (count: number, start = 0): number[] => Array.from({ length: count }, (_, i) => start + i)

export const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1)

/** Product of dimensions, null when one of them is free. */
export const sizeOfDims = (dims: Shape): number | null => (isFixed(dims) ? product(dims) : null)

/** Shape of an elementwise result; undefined when a rank is unknown. */
export function broadcast(shapes: readonly (Shape | undefined)[]): Shape | undefined {
  return shapes.reduce((a, b) => (a && b ? broadcastTwo(a, b) : undefined))
}

function broadcastTwo(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length)
  const at = (shape: Shape, i: number): Dim => shape[i - rank + shape.length] ?? (i < rank - shape.length ? 1 : null)
  return range(rank).map((i) => broadcastDims(at(a, i), at(b, i)))
}

function broadcastDims(a: Dim, b: Dim): Dim {
  if (a === 1) return b
  if (b === 1 || a === b) return a
  if (typeof a === 'number') return a
  return typeof b === 'number' ? b : null
}

/** Shape of a product of matrices; both ranks are at least 2. */
export function matMulShape(a: Shape | undefined, b: Shape | undefined): Shape | undefined {
  if (!a || !b) return undefined
  const batch = broadcastTwo(a.slice(0, -2), b.slice(0, -2))
  return [...batch, at(a, a.length - 2), at(b, b.length - 1)]
}

export function reduceShape(shape: Shape | undefined, axes: readonly number[], keepdims: boolean): Shape | undefined {
  if (!shape) return undefined
  const reduced = new Set(axes.map((axis) => normalAxis(axis, shape.length)))
  return shape.flatMap((dim, i) => (reduced.has(i) ? (keepdims ? [1] : []) : [dim]))
}

/** Elements that a slice takes of a dimension. Source: the Slice operator's clamping. */
export function slicedDim(dim: Dim, start: number, end: number, step: number): Dim {
  if (typeof dim !== 'number') return null
  const [low, high] = step > 0 ? [0, dim] : [-1, dim - 1]
  const clamp = (x: number, from: number) => Math.min(Math.max(x < 0 ? x + dim : x, from), high)
  const first = step > 0 ? clamp(start, 0) : Math.min(Math.max(start < 0 ? start + dim : start, 0), high)
  return Math.max(0, Math.ceil((clamp(end, low) - first) / step))
}
