/** Orders of axes: how a tensor lies in memory, as the axis of the ONNX value for each axis that is stored. */

/** `order[i]` is the ONNX axis that is stored as axis i. */
export type Order = readonly number[]

export const identity = (rank: number): Order => Array.from({ length: rank }, (_, i) => i)

/** Batch, places, channels. */
export const channelsLast = (rank: number): Order => (rank < 3 ? identity(rank) : [0, ...identity(rank).slice(2), 1])

/** A list in the order of ONNX's axes, as it is stored. */
export const arrange = <T>(list: readonly T[], order: Order): T[] => order.map((axis) => list[axis] as T)

export const sameOrder = (a: Order, b: Order): boolean => a.length === b.length && a.every((axis, i) => axis === b[i])

/** The axes longer than one, as they follow each other in memory: what a RESHAPE cannot change. */
export const longAxes = (order: Order, shape: readonly number[]): number[] => order.filter((axis) => shape[axis] !== 1)

/** The order behind an ONNX Transpose, which changes names of axes and nothing in memory. */
export const transposed = (order: Order, perm: readonly number[]): Order => order.map((axis) => perm.indexOf(axis))

/** The order with an axis moved to the end. */
export const withLast = (order: Order, axis: number): Order => [...order.filter((other) => other !== axis), axis]

interface Group {
  from: number[]
  to: number[]
}

/** Axes of two shapes that hold the same elements, group by group; null where the shapes do not match. Axes of size one are left out. */
function groupsOf(from: readonly number[], to: readonly number[]): Group[] | null {
  const long = (shape: readonly number[]) => identity(shape.length).filter((axis) => shape[axis] !== 1)
  const [a, b] = [long(from), long(to)]
  const groups: Group[] = []
  while (a.length > 0 || b.length > 0) {
    const group: Group = { from: [], to: [] }
    let [left, right] = [1, 1]
    do {
      const [list, axes] = left <= right ? [a, group.from] : [b, group.to]
      const axis = list.shift()
      if (axis === undefined) return null
      axes.push(axis)
      if (list === a) left *= from[axis] ?? 0
      else right *= to[axis] ?? 0
    } while (left !== right)
    groups.push(group)
  }
  return groups
}

const isRun = (list: readonly number[], part: readonly number[]): boolean => {
  const start = list.indexOf(part[0] ?? -1)
  return part.every((axis, i) => list[start + i] === axis)
}

/** The order that a reshaped value has where nothing moves in memory; null where something must. */
export function reshaped(order: Order, from: readonly number[], to: readonly number[]): Order | null {
  const groups = groupsOf(from, to)
  const stored = longAxes(order, from)
  if (!groups?.every((group) => isRun(stored, group.from))) return null
  const place = ({ from: [axis = 0] }: Group) => stored.indexOf(axis)
  const long = [...groups].sort((a, b) => place(a) - place(b)).flatMap((group) => group.to)
  const candidates = [identity(to.length), channelsLast(to.length)]
  const plain = candidates.find((candidate) => sameOrder(longAxes(candidate, to), long))
  return plain ?? [...identity(to.length).filter((axis) => to[axis] === 1), ...long]
}

/** The nearest order in which the axes that become one lie together, for the cost of a TRANSPOSE; groups stay where their first axes are. */
export function gathered(order: Order, from: readonly number[], to: readonly number[]): Order {
  const groups = groupsOf(from, to)
  if (!groups) return identity(from.length)
  const stored = longAxes(order, from)
  const place = ({ from: axes }: Group) => Math.min(...axes.map((axis) => stored.indexOf(axis)))
  const long = [...groups].sort((a, b) => place(a) - place(b)).flatMap((group) => group.from)
  return [...order.filter((axis) => from[axis] === 1), ...long]
}

/** Elements of `bytes` each, moved from one order into another. */
export function permute(
  data: Uint8Array,
  bytes: number,
  shape: readonly number[],
  order: readonly number[],
): Uint8Array<ArrayBuffer> {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, bytes))
  const [sizes, steps] = [arrange(shape, order), arrange(strides, order)]
  const moved = new Uint8Array(data.length)
  const at = sizes.map(() => 0)
  for (let to = 0, from = 0; to < moved.length; to += bytes) {
    for (let i = 0; i < bytes; i++) moved[to + i] = data[from + i] ?? 0
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      const next = ++at[axis]!
      from += steps[axis]!
      if (next < sizes[axis]!) break
      from -= next * steps[axis]!
      at[axis] = 0
    }
  }
  return moved
}
