/** A histogram between bounds that are known beforehand: flat memory, however much is counted. */
import type { Range } from './range.ts'

export interface Histogram {
  low: number
  high: number
  /** width of a bin; 0 when all values are equal */
  width: number
  counts: Float64Array
}

export const BINS = 2048

export function createHistogram({ min, max }: Range, bins = BINS): Histogram {
  return { low: min, high: max, width: (max - min) / bins, counts: new Float64Array(bins) }
}

/** Counts every element; what lies outside of the bounds counts at the ends. */
export function addTo({ low, width, counts }: Histogram, values: Float32Array): void {
  const last = counts.length - 1
  const perUnit = width > 0 ? 1 / width : 0
  for (let i = 0; i < values.length; i++) {
    const at = (values[i]! - low) * perUnit
    counts[at > 0 ? (at < last ? Math.trunc(at) : last) : 0]!++
  }
}

/** The same counts between wider bounds: every bin moves as a whole, by at most the width of a new one. */
export function widenTo(histogram: Histogram, range: Range): Histogram {
  const wide = createHistogram(range, histogram.counts.length)
  for (const [bin, count] of histogram.counts.entries())
    if (count > 0) wide.counts[binOf(wide, centerOf(histogram, bin))]! += count
  return wide
}

function binOf({ low, width, counts }: Histogram, x: number): number {
  const bin = width > 0 ? Math.trunc((x - low) / width) : 0
  return Math.min(Math.max(bin, 0), counts.length - 1)
}

export const centerOf = ({ low, width }: Histogram, bin: number): number => low + (bin + 0.5) * width

export const totalOf = ({ counts }: Histogram): number => counts.reduce((sum, count) => sum + count, 0)

/** Expected squared error per element when a histogram is quantized to `steps` intervals over a range. */
export const expectedError = (histogram: Histogram, range: Range, steps: number): number =>
  expectedErrors(histogram)(range, steps)

/** The same for many ranges: clipped mass counts with its squared distance from the bound, the rest with step²/12. */
export function expectedErrors(histogram: Histogram): (range: Range, steps: number) => number {
  const moments = momentsOf(histogram)
  const bins = histogram.counts.length
  const all = moments(0, bins)
  return ({ min, max }, steps) => {
    const [below, above] = [binsBelow(histogram, min), binsBelow(histogram, max)]
    const clipped = [distance(moments(0, below), min), distance(moments(above, bins), max)]
    const inside = Math.max(all.count - moments(0, below).count - moments(above, bins).count, 0)
    const rounding = ((max - min) / steps) ** 2 / 12
    return (clipped[0]! + clipped[1]! + inside * rounding) / Math.max(all.count, 1)
  }
}

interface Moments {
  count: number
  sum: number
  squares: number
}

/** Σ 1, Σ x and Σ x² over bins [from, to). */
function momentsOf(histogram: Histogram): (from: number, to: number) => Moments {
  const { counts } = histogram
  const [count, sum, squares] = [0, 1, 2].map((power) => {
    const totals = new Float64Array(counts.length + 1)
    for (let bin = 0; bin < counts.length; bin++)
      totals[bin + 1] = totals[bin]! + counts[bin]! * centerOf(histogram, bin) ** power
    return (from: number, to: number) => totals[to]! - totals[from]!
  }) as [
    (from: number, to: number) => number,
    (from: number, to: number) => number,
    (from: number, to: number) => number,
  ]
  return (from, to) => ({ count: count(from, to), sum: sum(from, to), squares: squares(from, to) })
}

/** Σ (x − bound)², which rounding may leave a little below 0. */
const distance = ({ count, sum, squares }: Moments, bound: number): number =>
  Math.max(squares - 2 * bound * sum + bound ** 2 * count, 0)

/** How many bins have their centre below x. */
function binsBelow({ low, width, counts }: Histogram, x: number): number {
  const bins = width > 0 ? Math.ceil((x - low) / width - 0.5) : x > low ? counts.length : 0
  return Math.min(Math.max(bins, 0), counts.length)
}
