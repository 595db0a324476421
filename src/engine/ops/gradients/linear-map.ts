/** Gradients of operators that are one linear map along each axis: the map, read off the identity matrix, is applied backwards. */
import type { Value } from '../../ir/graph.ts'
import type { Emitter } from './emitter.ts'
import { range } from './shapes.ts'

/** The n×n identity as a constant. */
export function identity(g: Emitter, n: number, like: Value): Value {
  const values = new Array<number>(n * n).fill(0)
  for (let i = 0; i < n; i++) values[i * (n + 1)] = 1
  return g.numbers(values, [n, n], like)
}

/** The sum over the axis' places o of dY[…, o, …] · map[o, i], as place i of that axis; `map` is [output size, input size]. */
export function backThrough(g: Emitter, dY: Value, axis: number, map: Value): Value {
  const rank = dY.shape?.length ?? 0
  if (axis === rank - 1) return g.matMul(dY, map)
  if (axis === rank - 2) return g.matMul(g.transpose(map, [1, 0]), dY)
  const swap = range(rank).map((i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i))
  return g.transpose(g.matMul(g.transpose(dY, swap), map), swap)
}
