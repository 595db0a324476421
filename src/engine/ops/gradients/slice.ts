/** The gradient of Slice: zeros around and between the elements that were taken. */

import type { Node, Value } from '../../ir/graph.ts'
import { at } from '../../ir/list.ts'
import { constantInts, type Emitter } from './emitter.ts'
import { normalAxis } from './shapes.ts'

interface Cut {
  begin: number
  /** elements behind the slice */
  end: number
}

/** How much of each axis lies before and behind the slice; null unless all is known and taken in steps of 1. */
function cutsOf(node: Node): Cut[] | null {
  const shape = node.inputs[0]?.shape ?? []
  const [starts, ends, axes, steps] = [1, 2, 3, 4].map((i) => constantInts(node.inputs[i]))
  if (!starts || !ends || (node.inputs[3] && !axes) || (node.inputs[4] && !steps?.every((step) => step === 1)))
    return null
  const cuts: Cut[] = shape.map(() => ({ begin: 0, end: 0 }))
  const known = starts.every((start, i) => {
    const axis = normalAxis(axes?.[i] ?? i, shape.length)
    const cut = cutOf(shape[axis], start, at(ends, i))
    if (cut) cuts[axis] = cut
    return cut !== null
  })
  return known ? cuts : null
}

function cutOf(dim: number | string | null | undefined, start: number, end: number): Cut | null {
  if (typeof dim !== 'number') return null
  const clamp = (x: number) => Math.min(Math.max(x < 0 ? x + dim : x, 0), dim)
  const begin = clamp(start)
  return { begin, end: dim - Math.max(clamp(end), begin) }
}

/** Slices the element numbers of the input as the node slices its elements, and puts the gradient there. */
function scattered(g: Emitter, X: Value, dY: Value, node: Node): Value {
  const size = g.sizeOf(X)
  const [zero, one] = [g.int64Scalar(0), g.int64Scalar(1)]
  const numbers = g.node('Range', [zero, g.node('Squeeze', [size], { shape: [] }), one], { shape: [null] })
  const grid = g.node('Reshape', [numbers, g.shapeOf(X)], { shape: X.shape })
  const taken = g.node('Slice', [grid, ...node.inputs.slice(1)], { shape: dY.shape })
  const flat = (value: Value) => g.node('Reshape', [value, g.int64s([-1])], { shape: [null] })
  const zeros = g.filled(size, [null], 0, X)
  const scattered = g.node('ScatterElements', [zeros, flat(taken), flat(dY)], { shape: [null] })
  return g.node('Reshape', [scattered, g.shapeOf(X)], { shape: X.shape })
}

export function sliced(g: Emitter, X: Value, dY: Value, node: Node): Value {
  const cuts = cutsOf(node)
  if (!cuts) return scattered(g, X, dY, node)
  const padded = g.pad(
    dY,
    cuts.map(({ begin }) => begin),
    cuts.map(({ end }) => end),
  )
  if (padded !== dY) padded.shape = X.shape
  return padded
}
