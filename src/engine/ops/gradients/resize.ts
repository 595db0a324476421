/** The gradient of Resize, in every mode: what ONNX Runtime does to the identity matrix is the map to go back through. */

import { string } from '../../ir/build.ts'
import type { Attribute, Node, Value } from '../../ir/graph.ts'
import { at } from '../../ir/list.ts'
import { view } from '../../ir/tensor.ts'
import { constantInts, constantOf, type Emitter } from './emitter.ts'
import { backThrough, identity } from './linear-map.ts'
import { normalAxis, range } from './shapes.ts'

/** What one axis is resized by: a scale or a size. */
type Change = { scale: number } | { size: number }

/** By axis; null when computed at run time. */
function changesOf(node: Node): Map<number, Change> | null {
  const rank = node.inputs[0]?.shape?.length ?? 0
  const axes = (node.ints('axes') ?? range(rank)).map((axis) => normalAxis(axis, rank))
  const scales = scalesOf(node.inputs[2])
  if (scales && scales.length > 0) return new Map(axes.map((axis, i) => [axis, { scale: at(scales, i) }]))
  const sizes = constantInts(node.inputs[3])
  return sizes ? new Map(axes.map((axis, i) => [axis, { size: at(sizes, i) }])) : null
}

function scalesOf(value: Value | null | undefined): Float32Array | undefined {
  const tensor = constantOf(value)
  return tensor ? view(tensor, 'float32') : undefined
}

const sizeOf = (change: Change, input: number): number =>
  'size' in change ? change.size : Math.floor(Math.fround(Math.fround(change.scale) * input))

/** The axes that change, with their input size. */
function resized(node: Node): { axis: number; input: number; change: Change }[] {
  return [...(changesOf(node) ?? [])].flatMap(([axis, change]) => {
    const input = node.inputs[0]?.shape?.[axis]
    if (typeof input !== 'number') return []
    const same = 'size' in change ? change.size === input : change.scale === 1
    return same ? [] : [{ axis, input, change }]
  })
}

export function refusesResize(node: Node): string | null {
  const changes = changesOf(node)
  if (!changes) return 'its scales and sizes are computed at run time'
  if (node.string('keep_aspect_ratio_policy', 'stretch') !== 'stretch') return 'a policy that keeps the aspect ratio'
  if (node.string('coordinate_transformation_mode', '') === 'tf_crop_and_resize') return 'cropping'
  const free = [...changes].some(
    ([axis, change]) => typeof node.inputs[0]?.shape?.[axis] !== 'number' && !('scale' in change && change.scale === 1),
  )
  return free ? 'a resized axis is not fixed' : null
}

const KEPT = [
  'mode',
  'coordinate_transformation_mode',
  'nearest_mode',
  'cubic_coeff_a',
  'exclude_outside',
  'antialias',
  'extrapolation_value',
]

function mapOf(g: Emitter, node: Node, X: Value, input: number, change: Change): Value {
  const kept = KEPT.flatMap((name): [string, Attribute][] => {
    const attribute = node.attributes.get(name)
    return attribute ? [[name, attribute]] : []
  })
  const attributes: Record<string, Attribute> = { mode: string('nearest'), ...Object.fromEntries(kept) }
  const sides = 'size' in change ? [null, null, g.int64s([change.size, input])] : [null, g.float32s([change.scale, 1])]
  return g.node('Resize', [identity(g, input, X), ...sides], { shape: [sizeOf(change, input), input], attributes })
}

/** Back through one axis after the other. */
export const resizeGradient = (g: Emitter, X: Value, dY: Value, node: Node): Value =>
  resized(node).reduce((dy, { axis, input, change }) => backThrough(g, dy, axis, mapOf(g, node, X, input, change)), dY)
