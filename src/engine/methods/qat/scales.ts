/** Where the training of weight scales starts: the scale with the smallest squared error where bits are few. */
import {
  channelLayout,
  clippingRange,
  integerRange,
  nextPowerOfTwo,
  type QuantSpec,
  roundHalfEven,
  smallestScale,
} from '../../quant/math.ts'
import type { ConstantSite } from './sites.ts'

/** with more bits the largest weight decides */
const FEW_BITS = 6
/** parts of the largest weight that are tried */
const PARTS = Array.from({ length: 16 }, (_, i) => 1 - i * 0.05)

/** One scale per channel, or one; those that there are where bits are many. */
export function searchScales({ values, shape, plan, scales, zeroPoints, group }: ConstantSite): Float32Array {
  const [first, last] = integerRange(plan.qtype, plan)
  if (group || last - first >= 2 ** FEW_BITS || zeroPoints.some((zero) => zero !== 0)) return scales
  const { outer, channels, inner } =
    plan.axis === null ? { outer: 1, channels: 1, inner: values.length } : channelLayout(shape, plan.axis)
  return scales.map((scale, c) => {
    const starts = Array.from({ length: outer }, (_, o) => (o * channels + c) * inner)
    return bestScale(values, starts, inner, scale, plan)
  })
}

function bestScale(
  values: Float32Array,
  starts: readonly number[],
  inner: number,
  scale: number,
  spec: QuantSpec,
): number {
  const candidates = spec.powerOfTwo
    ? [scale, nextPowerOfTwo(scale) / 2, nextPowerOfTwo(scale) / 4]
    : PARTS.map((part) => Math.fround(part * scale))
  const errors = candidates.map((candidate) => squaredError(values, starts, inner, candidate, spec))
  return Math.max(candidates[errors.indexOf(Math.min(...errors))]!, smallestScale(spec))
}

function squaredError(
  values: Float32Array,
  starts: readonly number[],
  inner: number,
  scale: number,
  spec: QuantSpec,
): number {
  const [first, last] = clippingRange(spec.qtype, spec)
  let sum = 0
  for (const start of starts) {
    for (let i = start; i < start + inner; i++) {
      const x = values[i]!
      const q = Math.min(Math.max(roundHalfEven(x / scale), first), last)
      sum += (x - q * scale) ** 2
    }
  }
  return sum
}
