/** Parameter arithmetic of affine quantization, bit for bit as ONNX Runtime 1.30 does it: q = clip(round(x ÷ scale) + zeroPoint). */
import { at } from '../ir/list.ts'
export const QTYPES = {
  uint4: { bits: 4, signed: false, full: [0, 15], symmetric: [0, 15], reduced: [0, 7] },
  int4: { bits: 4, signed: true, full: [-8, 7], symmetric: [-8, 7], reduced: [-4, 3] },
  uint8: { bits: 8, signed: false, full: [0, 255], symmetric: [0, 255], reduced: [0, 127] },
  int8: { bits: 8, signed: true, full: [-128, 127], symmetric: [-127, 127], reduced: [-64, 64] },
  uint16: { bits: 16, signed: false, full: [0, 65535], symmetric: [0, 65535], reduced: [0, 32767] },
  int16: { bits: 16, signed: true, full: [-32768, 32767], symmetric: [-32767, 32767], reduced: [-16384, 16384] },
} as const

export type QType = keyof typeof QTYPES
export type Integers = Uint8Array | Int8Array | Uint16Array | Int16Array

export interface RangeOptions {
  symmetric: boolean
  /** fewer bits than the type holds; the type is then only a container */
  bits?: number
  /** scales are powers of two */
  powerOfTwo?: boolean
  /** 7-bit (15-bit) weights for processors whose 16-bit accumulators saturate */
  reduceRange?: boolean
  /** smallest rmax − rmin */
  minimumRange?: number
}

export interface ScaleZeroPoint {
  /** float32 */
  scale: number
  zeroPoint: number
}

const FLOAT32_TINY = 2 ** -126
const f32 = Math.fround
/** keeps the largest bias clear of the ends of int32 */
const BIAS_MARGIN = 1.0001

/** from here on neighbouring float64 numbers are 1 apart, so that adding it rounds */
const UNIT_SPACING = 1.5 * 2 ** 52
const LARGEST_FRACTION = 2 ** 51

/** Round half to even, the only rounding in the house. */
export const roundHalfEven = (x: number): number =>
  x < LARGEST_FRACTION && x > -LARGEST_FRACTION ? x + UNIT_SPACING - UNIT_SPACING : Math.round(x)

/** How one tensor becomes integers. */
export interface QuantSpec extends RangeOptions {
  qtype: QType
}

/** The integers that a type may use: full, symmetric (s8: −127…127) or reduced; with fewer bits accordingly. */
export function integerRange(qtype: QType, options: RangeOptions): readonly [number, number] {
  const row = QTYPES[qtype]
  if (options.bits !== undefined && options.bits < row.bits) return rangeOfBits(options.bits, row.signed, options)
  if (options.reduceRange) return row.reduced
  return options.symmetric ? row.symmetric : row.full
}

function rangeOfBits(bits: number, signed: boolean, { symmetric }: RangeOptions): readonly [number, number] {
  const half = 2 ** (bits - 1)
  if (!signed) return [0, 2 * half - 1]
  return [symmetric ? 1 - half : -half, half - 1]
}

/** How many integers a format tells apart. */
export function integerCount(spec: QuantSpec): number {
  const [first, last] = integerRange(spec.qtype, spec)
  return last - first + 1
}

/** The scale below which the format's range would be smaller than it may be; 0 where any range may. */
export function smallestScale(spec: QuantSpec): number {
  const [first, last] = integerRange(spec.qtype, spec)
  return (spec.minimumRange ?? 0) / (last - first)
}

/** The integers at which values saturate: a whole type is used to its ends even where its scale is symmetric. */
export const clippingRange = (qtype: QType, { bits, symmetric }: Pick<RangeOptions, 'bits' | 'symmetric'>) =>
  bits !== undefined && bits < QTYPES[qtype].bits
    ? rangeOfBits(bits, QTYPES[qtype].signed, { symmetric })
    : QTYPES[qtype].full

/**
 * Scale (float32) and zero point of a real range. The range is widened to hold 0; rmax − rmin is rounded to float32
 * and the zero point to the nearest integer of the unrounded scale. Source: compute_scale_zp of onnxruntime.quantization 1.30.
 */
export function scaleZeroPoint(rmin: number, rmax: number, qtype: QType, options: RangeOptions): ScaleZeroPoint {
  const [qmin, qmax] = integerRange(qtype, options)
  let low = f32(Math.min(rmin, 0))
  let high = f32(Math.max(rmax, 0))
  if (options.minimumRange !== undefined) high = Math.max(high, f32(low + f32(options.minimumRange)))
  if (options.symmetric) {
    high = Math.max(Math.abs(low), Math.abs(high))
    low = -high
  }
  const exact = f32(high - low) / (qmax - qmin)
  if (exact < FLOAT32_TINY) return { scale: 1, zeroPoint: 0 }
  const scale = options.powerOfTwo ? nextPowerOfTwo(exact) : exact
  const zeroPoint = options.symmetric ? roundHalfEven((qmin + qmax) / 2) : roundHalfEven(qmin - low / scale)
  return { scale: f32(scale), zeroPoint: zeroPoint + 0 }
}

/** The smallest power of two that is not below x. */
export function nextPowerOfTwo(x: number): number {
  const power = 2 ** Math.ceil(Math.log2(x))
  return power / 2 >= x ? power / 2 : power
}

/** The same for the elements of a tensor; an empty one gets scale 1. */
export function scaleZeroPointOf(values: Float32Array, qtype: QType, options: RangeOptions): ScaleZeroPoint {
  return values.length === 0 ? { scale: 1, zeroPoint: 0 } : scaleZeroPoint(...extremes(values), qtype, options)
}

/** Smallest and largest element; [0, 0] for none. NaN is not looked for. */
export function extremes(values: Float32Array, start = 0, end = values.length, stride = 1): [number, number] {
  if (start >= end) return [0, 0]
  let low = values[start]!
  let high = low
  for (let i = start; i < end; i += stride) {
    const x = values[i]!
    if (x < low) low = x
    if (x > high) high = x
  }
  return [low, high]
}

/** Why no 8-bit scale stands for these numbers, or null. */
export function scaleProblem(values: Float32Array): string | null {
  if (values.length === 0) return 'is empty'
  const [low, high] = extremes(values)
  if (!allFinite(values)) return 'holds NaN or infinity'
  if (!Number.isFinite(f32(Math.max(high, -low) * 2))) return 'spans more than float32 can say'
  const largest = Math.max(Math.abs(low), Math.abs(high))
  return largest > 0 && largest / 127 < FLOAT32_TINY ? 'is smaller than any float32 scale' : null
}

function allFinite(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (values[i]! - values[i]! !== 0) return false
  return true
}

const ARRAYS = {
  uint4: Uint8Array,
  int4: Int8Array,
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
} as const

export const allocate = (qtype: QType, length: number): Integers => new ARRAYS[qtype](length)

/** Quantizes values[start … start + count) in place of out. Division in float32, round half to even, clipped to the type's full range or `clip`. */
export function quantizeInto(
  out: Integers,
  values: Float32Array,
  start: number,
  count: number,
  { scale, zeroPoint }: ScaleZeroPoint,
  qtype: QType,
  clip: readonly [number, number] = QTYPES[qtype].full,
): void {
  const [low, high] = clip
  for (let i = start; i < start + count; i++) {
    const q = roundHalfEven(f32(values[i]! / scale)) + zeroPoint
    out[i] = Math.min(Math.max(q, low), high)
  }
}

export function quantizeTensor(
  values: Float32Array,
  parameters: ScaleZeroPoint,
  qtype: QType,
  clip: readonly [number, number] = QTYPES[qtype].full,
): Integers {
  const out = allocate(qtype, values.length)
  quantizeInto(out, values, 0, values.length, parameters, qtype, clip)
  return out
}

/** Where the slices of one channel lie in a row-major tensor: `outer` blocks of `inner` consecutive elements. */
export function channelLayout(
  shape: readonly number[],
  axis: number,
): { outer: number; channels: number; inner: number } {
  const product = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1)
  return { outer: product(shape.slice(0, axis)), channels: at(shape, axis), inner: product(shape.slice(axis + 1)) }
}

/** One scale per index of `axis`, which `adjust` may change; shapes as in the tensor, row-major. */
export function quantizePerChannel(
  values: Float32Array,
  shape: readonly number[],
  axis: number,
  qtype: QType,
  options: RangeOptions,
  adjust: (channel: number, scale: number) => number = (_, scale) => scale,
) {
  const { outer, channels, inner } = channelLayout(shape, axis)
  const quantized = allocate(qtype, values.length)
  const scales = new Float32Array(channels)
  const zeroPoints = allocate(qtype, channels)
  const clip = clippingRange(qtype, options)
  channelExtremes(values, shape, axis).forEach(([low, high], c) => {
    const found = scaleZeroPoint(low, high, qtype, options)
    const parameters = { ...found, scale: adjust(c, found.scale) }
    for (let block = 0; block < outer; block++)
      quantizeInto(quantized, values, (block * channels + c) * inner, inner, parameters, qtype, clip)
    scales[c] = parameters.scale
    zeroPoints[c] = parameters.zeroPoint
  })
  return { quantized, scales, zeroPoints }
}

/** Smallest and largest element per index of `axis`, or of all for null; [0, 0] where there are none. */
export function channelExtremes(
  values: Float32Array,
  shape: readonly number[],
  axis: number | null,
): [low: number, high: number][] {
  if (axis === null) return [extremes(values)]
  const { outer, channels, inner } = channelLayout(shape, axis)
  return Array.from({ length: channels }, (_, channel) => {
    let [low, high] = extremes(values, channel * inner, outer === 0 ? 0 : (channel + 1) * inner)
    for (let block = 1; block < outer; block++) {
      const start = (block * channels + channel) * inner
      const [blockLow, blockHigh] = extremes(values, start, start + inner)
      if (blockLow < low) low = blockLow
      if (blockHigh > high) high = blockHigh
    }
    return [low, high]
  })
}

/** int32 bias of a layer: scale = inputScale · weightScale (float32), zero point 0, division in float64, clipped to int32. */
export function quantizeBias(bias: Float32Array, inputScale: number, weightScales: ArrayLike<number>, beta = 1) {
  const scales = Float32Array.from(weightScales, (weightScale) => f32(f32(f32(inputScale) * weightScale) * f32(beta)))
  const scaleOf = (i: number) => scales[scales.length === 1 ? 0 : i]!
  const quantized = Int32Array.from(bias, (b, i) =>
    Math.min(2147483647, Math.max(-2147483648, roundHalfEven(b / scaleOf(i)))),
  )
  return { quantized, scales }
}

/**
 * The weight scale, enlarged where inputScale · weightScale is too fine for |bias| to fit into int32.
 * Source: the int32-bias adjustment of onnxruntime.quantization 1.30, after TFLite; it doubles the bias in float32 per channel and in
 * float64 per tensor.
 */
export function weightScaleForBias(bias: number, inputScale: number, weightScale: number, perChannel: boolean): number {
  const needed = perChannel ? f32(f32(BIAS_MARGIN) * f32(2 * Math.abs(bias))) : BIAS_MARGIN * 2 * Math.abs(bias)
  const smallest = needed / (2 ** 32 - 2)
  const product = inputScale * weightScale
  return product > 0 && product < smallest ? f32(weightScale * (smallest / product)) : weightScale
}
