/** The gradient of Pad: what lies in the margins is dropped, or added to the elements it repeats. */

import type { Node, Value } from '../../ir/graph.ts'
import { at } from '../../ir/list.ts'
import { constantInts, type Emitter } from './emitter.ts'
import { backThrough, identity } from './linear-map.ts'
import { normalAxis } from './shapes.ts'

const modeOf = (node: Node): string => node.string('mode', 'constant')

/** [begin, end] of every axis; null when computed. */
function padsOf(node: Node): [number, number][] | null {
  const rank = node.inputs[0]?.shape?.length ?? 0
  const pads = constantInts(node.inputs[1])
  const axes = node.inputs[3] ? constantInts(node.inputs[3]) : undefined
  if (!pads || (node.inputs[3] && !axes)) return null
  const result = Array.from({ length: rank }, (): [number, number] => [0, 0])
  const count = pads.length / 2
  for (let i = 0; i < count; i++) result[normalAxis(axes?.[i] ?? i, rank)] = [at(pads, i), at(pads, i + count)]
  return result
}

export function refusesPad(node: Node): string | null {
  if (modeOf(node) === 'constant') return null
  const pads = padsOf(node)
  if (!pads) return 'its margins are computed at run time'
  const free = pads.some(([a, b], i) => (a !== 0 || b !== 0) && typeof node.inputs[0]?.shape?.[i] !== 'number')
  return free ? 'a padded axis is not fixed' : null
}

/** Padding by the negative margins crops. */
function cropped(g: Emitter, X: Value, dY: Value, node: Node): Value {
  const pads = padsOf(node)
  if (pads) {
    const result = g.pad(
      dY,
      pads.map(([begin]) => -begin),
      pads.map(([, end]) => -end),
    )
    if (result !== dY) result.shape = X.shape
    return result
  }
  const negative = g.node('Neg', [at(node.inputs, 1)], { shape: node.inputs[1]?.shape })
  const axes = node.inputs[3]
  return g.node('Pad', [dY, negative, ...(axes ? [null, axes] : [])], { shape: X.shape })
}

function repeated(g: Emitter, X: Value, dY: Value, node: Node): Value {
  return (padsOf(node) ?? []).reduce((gradient, [begin, end], axis) => {
    if (begin === 0 && end === 0) return gradient
    const size = X.shape?.[axis] as number
    const attributes = { mode: { kind: 'string', value: modeOf(node) } } as const
    const pads = g.int64s([begin, 0, end, 0])
    const map = g.node('Pad', [identity(g, size, X), pads], { shape: [size + begin + end, size], attributes })
    return backThrough(g, gradient, axis, map)
  }, dY)
}

export const padGradient = (g: Emitter, X: Value, dY: Value, node: Node): Value =>
  modeOf(node) === 'constant' ? cropped(g, X, dY, node) : repeated(g, X, dY, node)

/** The sum of what lies in the margins. */
export const padValueGradient = (g: Emitter, X: Value, dY: Value, node: Node): Value =>
  g.sub(g.reduceAll(dY), g.reduceAll(cropped(g, X, dY, node)))
