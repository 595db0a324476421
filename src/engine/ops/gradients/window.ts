/** How a window moves over an image: the attributes of convolutions and pooling with their defaults filled in. */

import { int, ints } from '../../ir/build.ts'
import type { Attribute, Dim, Node } from '../../ir/graph.ts'
import { at } from '../../ir/list.ts'
import { isFixed, type Shape } from './shapes.ts'

export interface Window {
  kernel: readonly number[]
  strides: readonly number[]
  dilations: readonly number[]
  /** padding before and behind each spatial axis */
  begins: readonly number[]
  ends: readonly number[]
}

const extent = (kernel: number, dilation: number): number => (kernel - 1) * dilation + 1

/** The window of a node over an image of `spatial` sizes; null where automatic padding needs a size that is free. */
export function windowOf(node: Node, kernel: readonly number[], spatial: Shape): Window | null {
  const strides = node.ints('strides') ?? kernel.map(() => 1)
  const dilations = node.ints('dilations') ?? kernel.map(() => 1)
  const pads = padsOf(node, kernel, strides, dilations, spatial)
  return pads && { kernel, strides, dilations, begins: pads.map(([begin]) => begin), ends: pads.map(([, end]) => end) }
}

function padsOf(
  node: Node,
  kernel: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
  spatial: Shape,
): [number, number][] | null {
  const auto = node.string('auto_pad', 'NOTSET')
  if (auto === 'VALID') return kernel.map(() => [0, 0])
  if (auto === 'NOTSET') {
    const pads = node.ints('pads') ?? kernel.flatMap(() => [0, 0])
    return kernel.map((_, i) => [at(pads, i), at(pads, i + kernel.length)])
  }
  const totals = kernel.map((k, i) => sameTotal(at(spatial, i), k, at(strides, i), at(dilations, i)))
  if (totals.includes(null)) return null
  return (totals as number[]).map((total) => halves(total, auto === 'SAME_LOWER'))
}

function sameTotal(size: Dim, kernel: number, stride: number, dilation: number): number | null {
  if (stride === 1) return extent(kernel, dilation) - 1
  if (typeof size !== 'number') return null
  return Math.max(0, (Math.ceil(size / stride) - 1) * stride + extent(kernel, dilation) - size)
}

/** The odd one goes behind, or in front when `lower`. */
export function halves(total: number, lower: boolean): [number, number] {
  const small = Math.floor(total / 2)
  return lower ? [total - small, small] : [small, total - small]
}

export const windowAttributes = ({ kernel, strides, dilations, begins, ends }: Window): Record<string, Attribute> => ({
  kernel_shape: ints(kernel),
  strides: ints(strides),
  dilations: ints(dilations),
  pads: ints([...begins, ...ends]),
})

/** One convolution: Y [N, M, …] = X [N, C, …] * W [M, C ÷ group, …]. */
export interface Convolution extends Window {
  batch: Dim
  /** C and M */
  inputs: number
  outputs: number
  group: number
  /** spatial sizes of X and Y */
  image: Shape
  result: Shape
}

export const isPointwise = ({ kernel }: Window): boolean => kernel.every((k) => k === 1)
export const isDense = ({ strides }: Window): boolean => strides.every((s) => s === 1)
export const isUnpadded = ({ begins, ends }: Window): boolean => [...begins, ...ends].every((pad) => pad === 0)
export const isDepthwise = ({ group, inputs, outputs }: Convolution): boolean => group === inputs && group === outputs
export const hasFixedImage = ({ image, result }: Convolution): boolean => isFixed(image) && isFixed(result)

export const convolutionAttributes = (c: Convolution): Record<string, Attribute> => ({
  ...windowAttributes(c),
  group: int(c.group),
})
