/** Numbers that are known to lie on a grid of integers, because that is what they were made of. */
import type { DType } from '../ir/dtype.ts'
import { float32, type Grid, type Tensor, view } from '../ir/tensor.ts'
import {
  allocate,
  channelLayout,
  clippingRange,
  type Integers,
  QTYPES,
  type QType,
  type QuantSpec,
  roundHalfEven,
} from './math.ts'
import { integersOfTensor, integerTensor } from './packed.ts'

const f32 = Math.fround

export const isQType = (dtype: DType | undefined): dtype is QType => dtype !== undefined && Object.hasOwn(QTYPES, dtype)

/** The scale that belongs to an element, by the element's place; `shape` is that of the tensor. */
export function scaleIndex({ axis, blockSize, scales }: Grid, shape: readonly number[]): (element: number) => number {
  if (axis === null || scales.length === 1) return () => 0
  const { channels, inner } = channelLayout(shape, axis)
  if (blockSize <= 1) return (element) => Math.floor(element / inner) % channels
  const blocks = Math.ceil(channels / blockSize)
  return (element) => {
    const row = Math.floor(element / inner)
    const [outer, channel] = [Math.floor(row / channels), row % channels]
    return (outer * blocks + Math.floor(channel / blockSize)) * inner + (element % inner)
  }
}

/** The numbers that integers stand for, as DequantizeLinear computes them. */
export function dequantize(integers: ArrayLike<number>, grid: Grid, shape: readonly number[]): Float32Array {
  const at = scaleIndex(grid, shape)
  return Float32Array.from(integers, (q, element) => {
    const index = at(element)
    return f32((q - grid.zeroPoints[index]!) * grid.scales[index]!)
  })
}

/** The integers that numbers stand for, as QuantizeLinear computes them. */
export function quantizeOn(values: Float32Array, grid: Grid, shape: readonly number[]): Integers {
  const at = scaleIndex(grid, shape)
  const qtype = grid.dtype as QType
  const [low, high] = QTYPES[qtype].full
  const integers = allocate(qtype, values.length)
  for (let i = 0; i < values.length; i++) {
    const index = at(i)
    const q = roundHalfEven(f32(values[i]! / grid.scales[index]!)) + grid.zeroPoints[index]!
    integers[i] = Math.min(Math.max(q, low), high)
  }
  return integers
}

/** The integers of a constant, one per element; null for a type that is no integer of a quantized tensor. */
export function integersIn(tensor: Tensor): ArrayLike<number> | null {
  if (tensor.dtype === 'int32') return view(tensor, 'int32')
  return isQType(tensor.dtype) ? integersOfTensor(tensor, tensor.dtype) : null
}

/** how far from an integer a number may lie, as a share of the scale: what half precision loses of 127 */
const TOLERANCE = 0.1

/** The tensor with the grid that it is said to lie on, where it does. */
export function onGrid(tensor: Tensor, grid: Grid): Tensor {
  if (tensor.dtype !== 'float32') return tensor
  const at = scaleIndex(grid, tensor.shape)
  const values = view(tensor, 'float32')
  for (let i = 0; i < values.length; i++) {
    const q = values[i]! / grid.scales[at(i)]!
    if (!(Math.abs(q - Math.round(q)) <= TOLERANCE)) return tensor
  }
  return { ...tensor, grid }
}

/** The scales with which the tensor's own integers fit a symmetric format with one scale per index of `axis`; null where they do not. */
export function scalesOnGrid(tensor: Tensor, axis: number | null, spec: QuantSpec): Float32Array | null {
  const { grid, shape } = tensor
  if (!grid || !spec.symmetric || !fitsFormat(grid, axis, spec)) return null
  const [low, high] = clippingRange(spec.qtype, spec)
  if (!quantizeOn(view(tensor, 'float32'), grid, shape).every((q) => q >= low && q <= high)) return null
  const isWhole = axis === null || grid.axis !== null
  return isWhole ? grid.scales : new Float32Array(shape[axis]!).fill(grid.scales[0]!)
}

function fitsFormat({ axis: own, blockSize, zeroPoints, scales }: Grid, axis: number | null, spec: QuantSpec): boolean {
  if (blockSize > 1 || spec.minimumRange !== undefined || (own !== null && own !== axis)) return false
  if (spec.powerOfTwo && !scales.every((scale) => Number.isInteger(Math.log2(scale)))) return false
  return Array.from(zeroPoints).every((zeroPoint) => zeroPoint === 0)
}

/** The constants that a DequantizeLinear reads to make the tensor again: integers, scales, zero points. */
export function restored(tensor: Tensor, grid: Grid): [integers: Tensor, scales: Tensor, zeroPoints: Tensor] {
  const { shape } = tensor
  const { zeroPoints } = grid
  const qtype = grid.dtype as QType
  const scaleShape = scaleShapeOf(grid, shape)
  const offsets = Object.assign(allocate(qtype, zeroPoints.length), zeroPoints)
  return [
    integerTensor(qtype, shape, quantizeOn(view(tensor, 'float32'), grid, shape)),
    float32(scaleShape, grid.scales),
    integerTensor(qtype, scaleShape, offsets),
  ]
}

function scaleShapeOf({ axis, blockSize }: Grid, shape: readonly number[]): readonly number[] {
  if (axis === null) return []
  return blockSize > 1 ? shape.map((dim, i) => (i === axis ? Math.ceil(dim / blockSize) : dim)) : [shape[axis]!]
}
