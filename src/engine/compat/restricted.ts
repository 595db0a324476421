/** uint8 parameters whose zero point is 0 or 128 and nothing between. Source: snap_zero_point_to_uint8. */
import type { ScaleZeroPoint } from '../quant/math.ts'

const LARGEST = 255
const MIDDLE = 128

export function restrictedParameters(rmin: number, rmax: number, minimumRange = 0): ScaleZeroPoint {
  const low = Math.fround(Math.min(rmin, 0))
  const high = Math.max(Math.fround(rmax), 0, minimumRange > 0 ? low + minimumRange : 0)
  if (high <= low) return { scale: Math.fround(1 / LARGEST), zeroPoint: 0 }
  if (low === 0) return { scale: Math.fround(high / LARGEST), zeroPoint: 0 }
  return { scale: Math.fround(Math.max(-low / MIDDLE, high / (LARGEST - MIDDLE))), zeroPoint: MIDDLE }
}
