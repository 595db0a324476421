/** Gradients of operators that move, pick or repeat elements. */
import { int } from '../../ir/build.ts'
import type { Node, Value } from '../../ir/graph.ts'
import { broadcasting, firstOf, gradient, needsRank, type Table } from './define.ts'
import { constantInts, type Emitter } from './emitter.ts'
import { GATHER } from './gather.ts'
import { PAD } from './pad.ts'
import { isFixed, normalAxis, range } from './shapes.ts'
import { SLICE } from './slice.ts'

/** The same elements in another shape: the gradient takes the input's. */
const reshaped = (inputs: readonly string[]) =>
  gradient(inputs, ['Y'], (g, { [inputs[0]]: X }, { Y: dY }) => ({ [inputs[0]]: () => g.reshapeLike(dY, X) }))

function inverse(perm: readonly number[]): number[] {
  const result: number[] = []
  perm.forEach((axis, i) => {
    result[axis] = i
  })
  return result
}

const rankOf = ({ inputs }: Node): number => inputs[0]?.shape?.length ?? 0

const permOf = (node: Node): readonly number[] => node.ints('perm') ?? range(rankOf(node)).reverse()

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

function concat(g: Emitter, inputs: Readonly<Record<string, Value>>, dY: Value, node: Node) {
  const axis = normalAxis(node.int('axis', 0), rankOf(node))
  let parts: Value[] | undefined
  const part = (i: number) => {
    parts ??= cut(g, Object.values(inputs), dY, axis)
    return parts[i]
  }
  return Object.fromEntries(Object.keys(inputs).map((name, i) => [name, () => part(i)]))
}

/** Repeats along each axis, or null when they are computed. */
const repeatsOf = (node: Node): number[] | null => constantInts(node.inputs[1]) ?? null

/** [r · d, …] as [r, d, …], summed over every r */
function tiled(g: Emitter, X: Value, dY: Value, repeats: readonly number[]): Value {
  const dims = (X.shape ?? []).flatMap((dim, i) => (repeats[i] === 1 ? [dim] : [repeats[i], dim]))
  const axes = repeats.flatMap((r, i) => (r === 1 ? [] : [i + repeats.slice(0, i).filter((n) => n !== 1).length]))
  return g.reduceSum(g.reshape(dY, dims), axes, false)
}

const fixedImage = ({ inputs }: Node): string | null =>
  inputs[0]?.shape && isFixed(inputs[0].shape.slice(1)) ? null : 'the size of its input is not fixed'

/** [N, C, H·b, W·b] → [N, C·b·b, H, W] in the order of columns and rows */
function spaceToDepthCrd(g: Emitter, X: Value, dY: Value, block: number): Value {
  const [batch, channels, height, width] = X.shape as number[]
  const blocks = g.reshape(dY, [batch, channels / block / block, height, block, width, block])
  return g.reshape(g.transpose(blocks, [0, 1, 3, 5, 2, 4]), [batch, channels, height, width])
}

const REARRANGE: Table = {
  DepthToSpace: gradient(
    ['X'],
    ['Y'],
    (g, { X }, { Y: dY }, _outputs, node) => {
      const block = node.int('blocksize', 1)
      if (node.string('mode', 'DCR') === 'CRD') return { X: () => spaceToDepthCrd(g, X, dY, block) }
      return { X: () => g.node('SpaceToDepth', [dY], { shape: X.shape, attributes: { blocksize: int(block) } }) }
    },
    (node) => (node.string('mode', 'DCR') === 'CRD' ? fixedImage(node) : null),
  ),
  SpaceToDepth: gradient(['X'], ['Y'], (g, { X }, { Y: dY }, _outputs, node) => ({
    X: () => g.node('DepthToSpace', [dY], { shape: X.shape, attributes: { blocksize: int(node.int('blocksize', 1)) } }),
  })),
}

export const MOVEMENT: Table = {
  Reshape: reshaped(['X', 'shape']),
  Flatten: reshaped(['X']),
  Squeeze: reshaped(['X', 'axes?']),
  Unsqueeze: reshaped(['X', 'axes?']),
  Transpose: gradient(
    ['X'],
    ['Y'],
    (g, _, { Y: dY }, _outputs, node) => ({ X: () => g.transpose(dY, inverse(permOf(node))) }),
    (node) => (node.ints('perm') ? null : needsRank(node)),
  ),
  Concat: gradient(['X*'], ['Y'], (g, inputs, { Y: dY }, _outputs, node) => concat(g, inputs, dY, node), needsRank),
  Split: gradient(
    ['X', 'split?'],
    ['Y*'],
    (g, { X }, upstream, outputs, node) => ({
      X: () => {
        const axis = normalAxis(node.int('axis', 0), rankOf(node))
        const parts = Object.entries(outputs).map(([name, Y]) => upstream[name] ?? g.zerosLike(Y))
        const whole = g.concat(parts, axis)
        whole.shape = X.shape
        return whole
      },
    }),
    firstOf(needsRank, ({ outputs }) => (outputs.includes(null) ? 'one of its outputs is left out' : null)),
  ),
  Expand: broadcasting(['X', 'shape'], (_g, _, { Y: dY }) => ({ X: () => dY })),
  Tile: gradient(
    ['X', 'repeats'],
    ['Y'],
    (g, { X }, { Y: dY }, _outputs, node) => ({ X: () => tiled(g, X, dY, repeatsOf(node) ?? []) }),
    firstOf(needsRank, (node) => {
      const repeats = repeatsOf(node)
      if (!repeats) return 'its repeats are computed at run time'
      const free = node.inputs[0]?.shape?.filter((dim) => typeof dim !== 'number').length ?? 0
      return free > 1 && repeats.some((r) => r !== 1) ? 'the size of its input is not fixed' : null
    }),
  ),
  Trilu: gradient(['X', 'k?'], ['Y'], (g, { X, k }, { Y: dY }, _outputs, node) => ({
    X: () => g.node('Trilu', k ? [dY, k] : [dY], { shape: X.shape, attributes: { upper: int(node.int('upper', 1)) } }),
  })),
  ...REARRANGE,
  ...GATHER,
  ...PAD,
  ...SLICE,
}
