/** A histogram between bounds that are known beforehand: flat memory, however much is counted. */
import type { Range } from './observers/observer.ts'

export interface Histogram {
  low: number
  /** width of a bin; 0 when all values are equal */
  width: number
  counts: Float64Array
}

export const BINS = 2048

export function createHistogram({ min, max }: Range, bins = BINS): Histogram {
  return { low: min, width: (max - min) / bins, counts: new Float64Array(bins) }
}

/** Counts every element; what lies outside of the bounds counts at the ends. */
export function addTo({ low, width, counts }: Histogram, values: Float32Array): void {
  const last = counts.length - 1
  const perUnit = width > 0 ? 1 / width : 0
  for (let i = 0; i < values.length; i++) {
    const bin = Math.trunc((values[i]! - low) * perUnit)
    counts[Math.min(Math.max(bin, 0), last)]!++
  }
}

export const centerOf = ({ low, width }: Histogram, bin: number): number => low + (bin + 0.5) * width

export const totalOf = ({ counts }: Histogram): number => counts.reduce((sum, count) => sum + count, 0)

/**
 * Expected squared error per element when a histogram is quantized to `steps` intervals over `range`:
 * clipped mass at its distance from the bound, the rest at step²/12.
 */
export function expectedError(histogram: Histogram, { min, max }: Range, steps: number): number {
  const step = (max - min) / steps
  const rounding = step ** 2 / 12
  let error = 0
  for (let bin = 0; bin < histogram.counts.length; bin++) {
    const count = histogram.counts[bin]!
    if (count === 0) continue
    const x = centerOf(histogram, bin)
    const beyond = x < min ? min - x : x > max ? x - max : 0
    error += count * (beyond > 0 ? beyond ** 2 : rounding)
  }
  return error / Math.max(totalOf(histogram), 1)
}
