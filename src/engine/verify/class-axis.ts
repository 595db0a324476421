/** Which axis of a value holds classes: that of the Softmax, the filters or the columns that it comes from, followed through what moves it. */

import type { Dim, Node, Value } from '../ir/graph.ts'
import type { Operator } from '../ir/operators.ts'
import { opOf } from '../ops/index.ts'

/** Null where the graph does not tell. */
export const classAxis = (value: Value | undefined): number | null => (value ? axisOf(value, new Set()) : null)

function axisOf(value: Value, seen: Set<Value>): number | null {
  const node = value.producer
  if (!node || seen.has(value)) return null
  seen.add(value)
  const rank = value.shape?.length
  const own = rank === undefined ? null : axisMadeBy(node, rank)
  if (own !== null) return own
  for (const input of node.inputs) {
    const axis = input && axisOf(input, seen)
    const found = typeof axis === 'number' ? moved(node, input!, axis, value) : null
    if (found !== null) return found
  }
  return null
}

const SOFTMAX = new Set<Operator>(['Softmax', 'LogSoftmax', 'Hardmax'])

function axisMadeBy(node: Node, rank: number): number | null {
  const axis = SOFTMAX.has(node.opType) ? node.int('axis', -1) : opOf(node)?.inputChannels?.axis
  return axis === undefined ? null : axis < 0 ? axis + rank : axis
}

/** Where `axis` of an input lies in a result; null where it is lost. */
function moved(node: Node, input: Value, axis: number, { shape }: Value): number | null {
  if (node.opType === 'Transpose') {
    const to = (node.ints('perm') ?? [...(input.shape ?? []).keys()].reverse()).indexOf(axis)
    return to < 0 ? null : to
  }
  if (!shape || !input.shape) return null
  const isReshaped = opOf(node)?.class === 'movement' && elementsBehind(input.shape, 0) === elementsBehind(shape, 0)
  if (!isReshaped)
    return shape.length === input.shape.length && isKept(node, input.shape[axis], shape[axis]) ? axis : null
  const [size, behind] = [input.shape[axis], elementsBehind(input.shape, axis + 1)]
  const to = shape.findIndex((dim, at) => dim === size && elementsBehind(shape, at + 1) === behind)
  return to < 0 ? null : to
}

const isKept = (node: Node, before: Dim | undefined, after: Dim | undefined): boolean =>
  before === after || opOf(node)?.joins === true

type Shape = NonNullable<Value['shape']>

/** Elements behind an axis, free dimensions by their names. */
const elementsBehind = (shape: Shape, from: number): string => {
  const dims = shape.slice(from)
  const known = dims.reduce<number>((product, dim) => (typeof dim === 'number' ? product * dim : product), 1)
  return [known, ...dims.filter((dim) => typeof dim !== 'number')].join(' ')
}
