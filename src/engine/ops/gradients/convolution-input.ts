/** Forms of the gradient of a convolution with respect to its input. */

import { int, ints } from '../../ir/build.ts'
import type { Dim, Value } from '../../ir/graph.ts'
import { at, leading } from '../../ir/list.ts'
import type { Emitter } from './emitter.ts'
import { isFixed, product, range } from './shapes.ts'
import { type Convolution, hasFixedImage, isDense, isPointwise, isUnpadded, windowAttributes } from './window.ts'

type Emit = (g: Emitter, c: Convolution, dY: Value, W: Value) => Value

export interface InputForm {
  fits: (c: Convolution) => boolean
  emit: Emit
}

const imageShape = (c: Convolution): Dim[] => [c.batch, c.inputs, ...c.image]

/** [M, C ÷ group, …] as [C, M ÷ group, …] */
export function swappedKernel(g: Emitter, c: Convolution, W: Value): Value {
  const [inner, outer] = [c.inputs / c.group, c.outputs / c.group]
  const spatial = range(c.kernel.length, 3)
  if (c.group === 1) return g.transpose(W, [1, 0, ...range(c.kernel.length, 2)])
  const split = g.reshape(W, [c.group, outer, inner, ...c.kernel])
  return g.reshape(g.transpose(split, [0, 2, 1, ...spatial]), [c.inputs, outer, ...c.kernel])
}

const turnedKernel = (g: Emitter, c: Convolution, W: Value): Value => swappedKernel(g, c, turned(g, c, W))

/** The kernel turned around: a product with a permutation, which is several times as fast as a slice with negative steps. */
function turned(g: Emitter, c: Convolution, W: Value): Value {
  const taps = product(c.kernel)
  if (taps === 1) return W
  const permutation = Array.from({ length: taps * taps }, (_, i) =>
    Math.floor(i / taps) + (i % taps) === taps - 1 ? 1 : 0,
  )
  const rows = g.reshape(W, [c.outputs * (c.inputs / c.group), taps])
  return g.reshape(g.matMul(rows, g.numbers(permutation, [taps, taps], W)), W.shape ?? [])
}

/** Zeros between the elements of `x` along the spatial axes. */
function spread(g: Emitter, x: Value, c: Convolution): Value {
  if (isDense(c)) return x
  const shape = x.shape ?? []
  const apart = c.strides.flatMap((s, i) => [at(shape, i + 2), ...(s > 1 ? [1] : [])])
  const ends = [0, 0, ...c.strides.flatMap((s) => (s > 1 ? [0, s - 1] : [0]))]
  const grid = g.pad(
    g.reshape(x, [at(shape, 0), at(shape, 1), ...apart]),
    ends.map(() => 0),
    ends,
  )
  return g.reshape(grid, [at(shape, 0), at(shape, 1), ...c.strides.map((s, i) => (shape[i + 2] as number) * s)])
}

/** Slides the turned kernel over `x`, whose element 0 belongs to image place 0 − begin, until the image is filled. */
function slide(g: Emitter, c: Convolution, x: Value, W: Value, sizes: readonly Dim[]): Value {
  const reach = c.kernel.map((k, i) => (k - 1) * at(c.dilations, i))
  const begins = reach.map((r, i) => r - at(c.begins, i))
  const ends = reach.map((r, i) => {
    const [from, to] = [sizes[i], c.image[i]]
    return typeof from === 'number' && typeof to === 'number' ? to - from - at(begins, i) + r : r - at(c.ends, i)
  })
  const cropped = (list: readonly number[]) => [0, 0, ...list.map((pad) => Math.min(pad, 0))]
  const padded = (list: readonly number[]) => list.map((pad) => Math.max(pad, 0))
  return g.node('Conv', [g.pad(x, cropped(begins), cropped(ends)), turnedKernel(g, c, W)], {
    shape: imageShape(c),
    attributes: {
      kernel_shape: ints(c.kernel),
      dilations: ints(c.dilations),
      pads: ints([...padded(begins), ...padded(ends)]),
      group: int(c.group),
    },
  })
}

/** A convolution of the upstream gradient, spread by the stride, with the kernel turned around. */
const convolve: Emit = (g, c, dY, W) => {
  const x = spread(g, dY, c)
  return slide(g, c, x, W, x.shape?.slice(2) ?? [])
}

/** What no window reaches at the image's far end, when its size is known. */
export function unreached(c: Convolution): number[] | null {
  const { image, result } = c
  if (!isFixed(image) || !isFixed(result)) return null
  return image.map(
    (size, i) =>
      size +
      at(c.begins, i) +
      at(c.ends, i) -
      ((at(result, i) - 1) * at(c.strides, i) + (at(c.kernel, i) - 1) * at(c.dilations, i) + 1),
  )
}

const transposed: Emit = (g, c, dY, W) => {
  const rest = unreached(c)
  const attributes = { ...windowAttributes(c), group: int(c.group) }
  if (rest) {
    return g.node('ConvTranspose', [dY, W], {
      shape: imageShape(c),
      attributes: { ...attributes, output_padding: ints(rest) },
    })
  }
  const most = c.strides.map((s) => s - 1)
  const shape = [c.batch, c.inputs, ...c.image.map(() => null)]
  return g.node('ConvTranspose', [dY, W], { shape, attributes: { ...attributes, output_padding: ints(most) } })
}

/** A matrix product per place; with strides its results are spread. */
const pointwise: Emit = (g, c, dY, W) => {
  const small = g.node('Conv', [dY, swappedKernel(g, c, W)], {
    shape: [c.batch, c.inputs, ...c.result],
    attributes: { kernel_shape: ints(c.kernel), group: int(c.group) },
  })
  if (isDense(c)) return small
  const spreadOut = spread(g, small, c)
  const rest = c.image.map((size, i) => (size as number) - (spreadOut.shape?.[i + 2] as number))
  return g.pad(spreadOut, rest.map(() => 0).concat([0, 0]), [0, 0, ...rest])
}

interface Phases {
  /** zeros in front of the kernel, so that the padding becomes whole strides */
  lead: number
  /** elements of the kernel that one phase meets */
  reach: number
  /** places of one phase along the image, and the padding that gives them */
  places: number
  begin: number
  end: number
}

/** The image's places that are equal modulo the stride form a phase, which sees every stride-th element of the kernel. */
function phasesOf(c: Convolution, axis: number): Phases {
  const [stride, pad] = [at(c.strides, axis), at(c.begins, axis)]
  const lead = (stride - (pad % stride)) % stride
  const reach = Math.ceil((at(c.kernel, axis) + lead) / stride)
  const places = Math.ceil((c.image[axis] as number) / stride)
  const begin = reach - 1 - (pad + lead) / stride
  return { lead, reach, places, begin, end: places - (c.result[axis] as number) - begin + reach - 1 }
}

/** [M, C, …] as [stride² · C, M, …]: a kernel for each phase. */
function phaseKernels(g: Emitter, c: Convolution, W: Value, [rows, columns]: readonly [Phases, Phases]): Value {
  const [stride] = leading(1, c.strides)
  const rest = [rows, columns].map(({ lead, reach }, i) => reach * stride - lead - at(c.kernel, i))
  const grown = g.pad(W, [0, 0, rows.lead, columns.lead], [0, 0, ...rest])
  const split = g.reshape(grown, [c.outputs, c.inputs, rows.reach, stride, columns.reach, stride])
  const moved = g.transpose(split, [3, 5, 1, 0, 2, 4])
  const kernels = g.reshape(moved, [stride * stride * c.inputs, c.outputs, rows.reach, columns.reach])
  return g.reverse(kernels, [2, 3])
}

/** One dense convolution whose channels hold the phases, which are then interleaved. Source: the sub-pixel convolution of Shi et al. 2016. */
const interleaved: Emit = (g, c, dY, W) => {
  const phases = [phasesOf(c, 0), phasesOf(c, 1)] as const
  const [stride] = leading(1, c.strides)
  const places = phases.map((phase) => phase.places)
  const all = g.node('Conv', [dY, phaseKernels(g, c, W, phases)], {
    shape: [c.batch, stride * stride * c.inputs, ...places],
    attributes: { pads: ints([...phases.map(({ begin }) => begin), ...phases.map(({ end }) => end)]) },
  })
  const shape = [c.batch, c.inputs, ...places.map((n) => n * stride)]
  const image = g.node('DepthToSpace', [all], { shape, attributes: { blocksize: int(stride) } })
  const rest = places.map((n, i) => (c.image[i] as number) - n * stride)
  return g.pad(image, [0, 0, 0, 0], [0, 0, ...rest])
}

function interleaves(c: Convolution): boolean {
  const [stride] = c.strides
  if (c.kernel.length !== 2 || c.group > 1 || isDense(c) || !hasFixedImage(c)) return false
  if (c.strides[1] !== stride || c.dilations.some((d) => d > 1)) return false
  return [phasesOf(c, 0), phasesOf(c, 1)].every(({ begin, end }) => begin >= 0 && end >= 0)
}

export const INPUT_FORMS = {
  convolve: { fits: (c) => isDense(c) || hasFixedImage(c), emit: convolve },
  transposed: { fits: () => true, emit: transposed },
  interleaved: { fits: interleaves, emit: interleaved },
  pointwise: { fits: (c) => isPointwise(c) && isUnpadded(c) && (isDense(c) || hasFixedImage(c)), emit: pointwise },
} as const satisfies Record<string, InputForm>
