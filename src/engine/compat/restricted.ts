/** uint8 parameters whose zero point is the first integer or the middle one. Source: snap_zero_point_to_uint8. */
import { integerRange, type ScaleZeroPoint } from '../quant/math.ts'

export interface RestrictedOptions {
  reduceRange?: boolean
  /** smallest rmax − rmin */
  minimumRange?: number
}

export function restrictedParameters(
  rmin: number,
  rmax: number,
  { reduceRange, minimumRange = 0 }: RestrictedOptions,
): ScaleZeroPoint {
  const [first, last] = integerRange('uint8', { symmetric: false, reduceRange })
  const middle = (first + last + 1) / 2
  const low = Math.fround(Math.min(rmin, 0))
  const high = Math.max(Math.fround(rmax), 0, minimumRange > 0 ? low + minimumRange : 0)
  const smallest = minimumRange / (last - first)
  const scale = low < 0 ? Math.max(-low / (middle - first), high / (last - middle)) : (high || 1) / (last - first)
  return { scale: Math.fround(Math.fround(scale) < smallest ? smallest : scale), zeroPoint: low < 0 ? middle : first }
}
