/** One block of weights: the scale and the zero point that fit it, and its integers. */

export interface Block {
  scale: number
  zeroPoint: number
}

export interface BlockRounding {
  /** ties go away from 0 as real numbers, not as integers: what MatMulNBitsQuantizer does where it writes DequantizeLinear */
  roundsFirst: boolean
  /** largest integer; the smallest is 0 */
  levels: number
  symmetric: boolean
  search: boolean
}

const f32 = Math.fround

/** Round half away from zero, as C's roundf. */
const roundf = (x: number): number => Math.sign(x) * Math.floor(f32(Math.abs(x)) + 0.5)

/** Writes into `out` the integers 0 … `levels` that stand for `values`. Source: MlasQuantizeBlockwise, MlasQDQQuantizeBlockwise. */
export function encodeBlock(
  values: Float32Array,
  { scale, zeroPoint }: Block,
  { levels, roundsFirst }: BlockRounding,
  out: Uint8Array,
): void {
  const reciprocal = scale === 0 ? 0 : f32(1 / scale)
  if (roundsFirst) {
    for (let i = 0; i < values.length; i++)
      out[i] = Math.max(0, Math.min(levels, roundf(f32(values[i]! * reciprocal)) + zeroPoint))
    return
  }
  for (let i = 0; i < values.length; i++) {
    const v = f32(f32(values[i]! * reciprocal) + zeroPoint)
    out[i] = v <= 0 ? 0 : v >= levels ? levels : (v + 0.5) | 0
  }
}

/** Finds the scale and the zero point of a block and writes them into `out`. */
export function fitBlock(values: Float32Array, rounding: BlockRounding, out: Block): void {
  const { symmetric, levels } = rounding
  if (symmetric) symmetricBlock(values, levels, out)
  else asymmetricBlock(values, levels, out)
  if (rounding.search && out.scale !== 0) search(values, rounding, out)
}

/** The element of largest magnitude becomes the lowest integer. */
function symmetricBlock(values: Float32Array, levels: number, out: Block): void {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (let i = 0; i < values.length; i++) {
    low = Math.min(low, values[i]!)
    high = Math.max(high, values[i]!)
  }
  const middle = (levels + 1) / 2
  out.scale = f32((Math.abs(high) > Math.abs(low) ? high : low) / -middle)
  out.zeroPoint = middle
}

function asymmetricBlock(values: Float32Array, levels: number, out: Block): void {
  let [low, high] = [0, 0]
  for (let i = 0; i < values.length; i++) {
    low = Math.min(low, values[i]!)
    high = Math.max(high, values[i]!)
  }
  const scale = f32(f32(high - low) / levels)
  out.scale = scale
  const zeroPoint = scale === 0 ? low : f32(0 - f32(low / scale))
  out.zeroPoint = Math.max(0, Math.min(levels, roundf(zeroPoint)))
}

/** what the scale of the extremes is multiplied with, the likeliest first */
const FACTORS = [0.96, 0.92, 0.88, 1, 0.84, 0.8, 1.04, 0.76, 0.72, 0.68, 0.64]
/** times that a scale is fitted to the integers that it gives */
const REFINEMENTS = 2

/** Tries smaller and larger scales, both signs when symmetric and the neighbours of the zero point otherwise; the best is fitted to its integers. */
function search(values: Float32Array, { levels, symmetric }: BlockRounding, out: Block): void {
  const { scale: plain, zeroPoint: middle } = out
  let least = errorOf(values, plain, middle, levels, Number.POSITIVE_INFINITY)
  const attempt = (scale: number, zeroPoint: number) => {
    const error = errorOf(values, scale, zeroPoint, levels, least)
    if (error >= least) return false
    least = error
    out.scale = scale
    out.zeroPoint = zeroPoint
    return true
  }
  for (const factor of FACTORS) {
    const scale = f32(plain * factor)
    if (symmetric) {
      attempt(scale, middle)
      attempt(-scale, middle)
    } else for (let z = Math.max(0, middle - 1); z <= Math.min(levels, middle + 1); z++) attempt(scale, z)
  }
  for (let i = 0; i < REFINEMENTS && attempt(fittedScale(values, out, levels), out.zeroPoint); i++);
}

/** The squared error of a block, or something larger than `most` when it exceeds that. */
function errorOf(values: Float32Array, scale: number, zeroPoint: number, levels: number, most: number): number {
  const reciprocal = f32(1 / scale)
  let sum = 0
  for (let i = 0; i < values.length; i++) {
    const x = values[i]!
    const v = f32(f32(x * reciprocal) + zeroPoint)
    const q = v <= 0 ? 0 : v >= levels ? levels : (v + 0.5) | 0
    const error = (q - zeroPoint) * scale - x
    sum += error * error
    if (sum >= most) return sum
  }
  return sum
}

/** The scale that is best for the integers that a block's scale gives, by least squares. */
function fittedScale(values: Float32Array, { scale, zeroPoint }: Block, levels: number): number {
  const reciprocal = f32(1 / scale)
  let [product, square] = [0, 0]
  for (let i = 0; i < values.length; i++) {
    const v = f32(f32(values[i]! * reciprocal) + zeroPoint)
    const q = (v <= 0 ? 0 : v >= levels ? levels : (v + 0.5) | 0) - zeroPoint
    product += q * values[i]!
    square += q * q
  }
  return square === 0 ? scale : f32(product / square)
}
