/** Gradients of operators that move, pick or repeat elements. */

import { int } from '../../ir/build.ts'
import type { Node, Value } from '../../ir/graph.ts'
import { at, leading } from '../../ir/list.ts'
import { constantInts, type Emitter } from './emitter.ts'
import { isFixed, normalAxis, range } from './shapes.ts'

/** The order that undoes another. */
export function inverse(perm: readonly number[]): number[] {
  const result: number[] = []
  perm.forEach((axis, i) => {
    result[axis] = i
  })
  return result
}

const rankOf = ({ inputs }: Node): number => inputs[0]?.shape?.length ?? 0

export const permOf = (node: Node): readonly number[] => node.ints('perm') ?? range(rankOf(node)).reverse()

/** Parts along the axis, cut at the inputs' sizes; the run knows those that are free. */
function cut(g: Emitter, parts: readonly Value[], dY: Value, axis: number): Value[] {
  const sizes = parts.map(({ shape }) => shape?.[axis] ?? null)
  if (isFixed(sizes)) return parts.length === 1 ? [dY] : g.split(dY, axis, sizes)
  const dims = g.concat(
    parts.map((part) => g.dimsOf(part, [axis])),
    0,
  )
  return g.nodes('Split', [dY, dims], parts, { attributes: { axis: int(axis) } })
}

export function concatGradients(g: Emitter, inputs: Readonly<Record<string, Value>>, dY: Value, node: Node) {
  const axis = normalAxis(node.int('axis', 0), rankOf(node))
  let parts: Value[] | undefined
  const part = (i: number) => {
    parts ??= cut(g, Object.values(inputs), dY, axis)
    return at(parts, i)
  }
  return Object.fromEntries(Object.keys(inputs).map((name, i) => [name, () => part(i)]))
}

/** Repeats along each axis, or null when they are computed. */
export const repeatsOf = (node: Node): number[] | null => constantInts(node.inputs[1]) ?? null

/** [r · d, …] as [r, d, …], summed over every r */
export function tiled(g: Emitter, X: Value, dY: Value, repeats: readonly number[]): Value {
  const dims = (X.shape ?? []).flatMap((dim, i) => (repeats[i] === 1 ? [dim] : [at(repeats, i), dim]))
  const axes = repeats.flatMap((r, i) => (r === 1 ? [] : [i + repeats.slice(0, i).filter((n) => n !== 1).length]))
  return g.reduceSum(g.reshape(dY, dims), axes, false)
}

const fixedImage = ({ inputs }: Node): string | null =>
  inputs[0]?.shape && isFixed(inputs[0].shape.slice(1)) ? null : 'the size of its input is not fixed'

/** [N, C, H·b, W·b] → [N, C·b·b, H, W] in the order of columns and rows */
function spaceToDepthCrd(g: Emitter, X: Value, dY: Value, block: number): Value {
  const [batch, channels, height, width] = leading(4, X.shape as number[])
  const blocks = g.reshape(dY, [batch, channels / block / block, height, block, width, block])
  return g.reshape(g.transpose(blocks, [0, 1, 3, 5, 2, 4]), [batch, channels, height, width])
}

/** The inverse of DepthToSpace or SpaceToDepth is the other one. */
export const expressedIn = (
  g: Emitter,
  opType: 'DepthToSpace' | 'SpaceToDepth',
  X: Value,
  dY: Value,
  blocksize: number,
): Value => g.node(opType, [dY], { shape: X.shape, attributes: { blocksize: int(blocksize) } })

const isCrd = (node: Node): boolean => node.string('mode', 'DCR') === 'CRD'

export function depthToSpaceGradient(g: Emitter, X: Value, dY: Value, node: Node): Value {
  const block = node.int('blocksize', 1)
  return isCrd(node) ? spaceToDepthCrd(g, X, dY, block) : expressedIn(g, 'SpaceToDepth', X, dY, block)
}

export const refusesDepthToSpace = (node: Node): string | null => (isCrd(node) ? fixedImage(node) : null)

/** Parts without a gradient are zero. */
export function splitGradient(
  g: Emitter,
  X: Value,
  upstream: Readonly<Record<string, Value | undefined>>,
  outputs: Readonly<Record<string, Value>>,
  node: Node,
): Value {
  const axis = normalAxis(node.int('axis', 0), rankOf(node))
  const parts = Object.entries(outputs).map(([name, Y]) => upstream[name] ?? g.zerosLike(Y))
  const whole = g.concat(parts, axis)
  whole.shape = X.shape
  return whole
}

export function refusesTile(node: Node): string | null {
  const repeats = repeatsOf(node)
  if (!repeats) return 'its repeats are computed at run time'
  const free = node.inputs[0]?.shape?.filter((dim) => typeof dim !== 'number').length ?? 0
  return free > 1 && repeats.some((r) => r !== 1) ? 'the size of its input is not fixed' : null
}
