/** Forms of the gradient of a convolution with respect to its kernel. */

import { int, ints } from '../../ir/build.ts'
import type { Dim, Value } from '../../ir/graph.ts'
import { at, leading } from '../../ir/list.ts'
import type { Emitter } from './emitter.ts'
import { product, range } from './shapes.ts'
import { type Convolution, hasFixedImage, isDense, isDepthwise, isPointwise, isUnpadded } from './window.ts'

type Emit = (g: Emitter, c: Convolution, X: Value, dY: Value) => Value

export interface WeightForm {
  fits: (c: Convolution) => boolean
  emit: Emit
}

const kernelShape = (c: Convolution): number[] => [c.outputs, c.inputs / c.group, ...c.kernel]
const rankOf = (c: Convolution): number => c.kernel.length + 2
const spatialAxes = (c: Convolution): number[] => range(c.kernel.length, 2)

/** [N, group · C, …] as [C, group · N, …] */
function channelsFirst(g: Emitter, c: Convolution, X: Value): Value {
  if (c.group === 1) return g.transpose(X, [1, 0, ...spatialAxes(c)])
  const each = c.inputs / c.group
  const split = g.reshape(X, [c.batch, c.group, each, ...c.image])
  const moved = g.transpose(split, [2, 1, 0, ...range(c.kernel.length, 3)])
  const merged: Dim = typeof c.batch === 'number' ? c.batch * c.group : null
  return g.reshape(moved, [each, merged, ...c.image])
}

/** One convolution in which the batch is the channels and the upstream gradient the kernel. */
const exchanged: Emit = (g, c, X, dY) => {
  const images = channelsFirst(g, c, X)
  const kernels = g.transpose(dY, [1, 0, ...spatialAxes(c)])
  const grown = g.node('Conv', [images, kernels], {
    shape: [c.inputs / c.group, c.outputs, ...c.kernel.map(() => null)],
    attributes: {
      strides: ints(c.dilations),
      dilations: ints(c.strides),
      pads: ints([...c.begins, ...c.ends]),
      group: int(c.group),
    },
  })
  const cut = g.slice(
    grown,
    c.kernel.map(() => 0),
    [...c.kernel],
    spatialAxes(c),
  )
  cut.shape = [c.inputs / c.group, c.outputs, ...c.kernel]
  return g.transpose(cut, [1, 0, ...spatialAxes(c)])
}

/** The elements of the image that the kernel's element at `tap` meets: shaped like the result. */
function meets(g: Emitter, c: Convolution, padded: Value, tap: readonly number[]): Value {
  const starts = tap.map((t, i) => t * at(c.dilations, i))
  const ends = starts.map((start, i) => start + ((c.result[i] as number) - 1) * at(c.strides, i) + 1)
  return g.slice(padded, starts, ends, spatialAxes(c), c.strides)
}

/** Every place of the kernel. */
function taps(kernel: readonly number[]): number[][] {
  return kernel.reduce<number[][]>((all, size) => all.flatMap((tap) => range(size).map((i) => [...tap, i])), [[]])
}

const padded = (g: Emitter, c: Convolution, X: Value): Value => g.pad(X, [0, 0, ...c.begins], [0, 0, ...c.ends])

/** One matrix product per image, summed over the batch: the places are the inner dimension. */
function perImage(g: Emitter, c: Convolution, columns: Value, rows: number, dY: Value): Value {
  const places = product(c.result as number[])
  const left = g.reshape(dY, [c.batch, c.outputs, places])
  const right = g.reshape(columns, [c.batch, rows, places])
  return g.reduceSum(g.matMul(left, g.transposeLast(right, 3)), [0], false)
}

/** Columns of all images side by side: one matrix product whose inner dimension is batch and places. */
function merged(g: Emitter, c: Convolution, columns: Value, rows: number, dY: Value): Value {
  const [left, right] = leading(
    2,
    [dY, columns].map((x) => g.transpose(x, [1, 0, ...spatialAxes(c)])),
  )
  return g.gemm(g.reshape(left, [c.outputs, null]), g.reshape(right, [rows, null]), { transB: 1 })
}

type Product = typeof perImage

/** What all taps meet, tap by tap, then channel by channel. */
const columnsOf = (g: Emitter, c: Convolution, X: Value): Value => {
  const source = padded(g, c, X)
  return g.concat(
    taps(c.kernel).map((tap) => meets(g, c, source, tap)),
    1,
  )
}

const unfolded =
  (multiply: Product): Emit =>
  (g, c, X, dY) => {
    const count = product(c.kernel)
    const flat = multiply(g, c, columnsOf(g, c, X), c.inputs * count, dY)
    const [outer, inner] = [c.outputs, c.inputs]
    return g.reshape(g.transpose(g.reshape(flat, [outer, count, inner]), [0, 2, 1]), kernelShape(c))
  }

/** One matrix product per place of the kernel. */
const tapwise =
  (multiply: Product): Emit =>
  (g, c, X, dY) => {
    const source = padded(g, c, X)
    const parts = taps(c.kernel).map((tap) => multiply(g, c, meets(g, c, source, tap), c.inputs, dY))
    const stacked = g.concat(
      parts.map((part) => g.unsqueeze(part, [2])),
      2,
    )
    return g.reshape(stacked, kernelShape(c))
  }

/** Multiplies what each tap meets by the upstream gradient and sums per channel. */
const shifted: Emit = (g, c, X, dY) => {
  const source = padded(g, c, X)
  const axes = range(rankOf(c)).filter((axis) => axis !== 1)
  const sums = taps(c.kernel).map((tap) => g.reduceSum(g.mul(meets(g, c, source, tap), dY), axes, false))
  return g.reshape(
    g.concat(
      sums.map((sum) => g.unsqueeze(sum, [1])),
      1,
    ),
    kernelShape(c),
  )
}

/** All taps' elements against the upstream gradient: a dot product per image, channel and tap. */
const dotted: Emit = (g, c, X, dY) => {
  const source = padded(g, c, X)
  const places = product(c.result as number[])
  const seen = taps(c.kernel).map((tap) => g.reshape(meets(g, c, source, tap), [c.batch, c.outputs, 1, places]))
  const dots = g.matMul(g.concat(seen, 2), g.reshape(dY, [c.batch, c.outputs, places, 1]))
  return g.reshape(g.reduceSum(dots, [0], false), kernelShape(c))
}

/** 1 where column `x` of the result meets column `u` of the padded image through tap `j`: [x · width + u, j] */
function diagonals(g: Emitter, c: Convolution, width: number, like: Value): Value {
  const columns = c.result[1] as number
  const values = new Array<number>(columns * width * at(c.kernel, 1)).fill(0)
  for (let x = 0; x < columns; x++)
    for (let j = 0; j < at(c.kernel, 1); j++)
      values[(x * width + x * at(c.strides, 1) + j * at(c.dilations, 1)) * at(c.kernel, 1) + j] = 1
  return g.numbers(values, [columns * width, at(c.kernel, 1)], like)
}

/** The rows of the padded image that row `i` of the kernel meets. */
function rowsMet(g: Emitter, c: Convolution, source: Value, i: number): Value {
  const start = i * at(c.dilations, 0)
  return g.slice(
    source,
    [start],
    [start + ((c.result[0] as number) - 1) * at(c.strides, 0) + 1],
    [2],
    [at(c.strides, 0)],
  )
}

/** Every column of the result against every column of the image, row by row of the kernel; the kernel is on the diagonals. */
const diagonal: Emit = (g, c, X, dY) => {
  const source = padded(g, c, X)
  const width = source.shape?.[3] as number
  const columns = c.result[1] as number
  const mask = diagonals(g, c, width, X)
  const turned = g.transposeLast(dY, 4)
  const rows = range(at(c.kernel, 0)).map((i) => {
    const all = g.matMul(turned, rowsMet(g, c, source, i))
    return g.reduceSum(g.matMul(g.reshape(all, [c.batch, c.outputs, columns * width]), mask), [0], false)
  })
  return g.reshape(g.concat(rows, 1), kernelShape(c))
}

/** The same with the rows of all images one after the other. */
const diagonalMerged: Emit = (g, c, X, dY) => {
  const source = g.transpose(padded(g, c, X), [1, 0, 2, 3])
  const width = source.shape?.[3] as number
  const columns = c.result[1] as number
  const mask = diagonals(g, c, width, X)
  const turned = g.reshape(g.transpose(dY, [1, 3, 0, 2]), [c.outputs, columns, null])
  const rows = range(at(c.kernel, 0)).map((i) => {
    const met = g.reshape(rowsMet(g, c, source, i), [c.outputs, null, width])
    return g.matMul(g.reshape(g.matMul(turned, met), [c.outputs, columns * width]), mask)
  })
  return g.reshape(g.concat(rows, 1), kernelShape(c))
}

const isDepthwiseImage = (c: Convolution): boolean => isDepthwise(c) && hasFixedImage(c) && c.kernel.length === 2

const pointwiseForm =
  (multiply: Product): Emit =>
  (g, c, X, dY) => {
    const seen = isDense(c)
      ? X
      : meets(
          g,
          c,
          X,
          c.kernel.map(() => 0),
        )
    return g.reshape(multiply(g, c, seen, c.inputs, dY), kernelShape(c))
  }

const isPlain = (c: Convolution): boolean => c.group === 1 && hasFixedImage(c)
const isPlainPointwise = (c: Convolution): boolean => isPlain(c) && isPointwise(c) && isUnpadded(c)

export const WEIGHT_FORMS = {
  exchanged: { fits: (c) => c.group === 1 || hasFixedImage(c), emit: exchanged },
  pointwise: { fits: isPlainPointwise, emit: pointwiseForm(perImage) },
  pointwiseMerged: { fits: isPlainPointwise, emit: pointwiseForm(merged) },
  unfolded: { fits: isPlain, emit: unfolded(perImage) },
  unfoldedMerged: { fits: isPlain, emit: unfolded(merged) },
  tapwise: { fits: isPlain, emit: tapwise(perImage) },
  tapwiseMerged: { fits: isPlain, emit: tapwise(merged) },
  dotted: { fits: (c) => isDepthwise(c) && hasFixedImage(c), emit: dotted },
  diagonal: { fits: isDepthwiseImage, emit: diagonal },
  diagonalMerged: { fits: isDepthwiseImage, emit: diagonalMerged },
  shifted: { fits: (c) => isDepthwise(c) && hasFixedImage(c), emit: shifted },
} as const satisfies Record<string, WeightForm>
