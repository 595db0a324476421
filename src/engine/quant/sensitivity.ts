/** Which values lose most as integers: signal against the error that their histogram predicts. */
import { centerOf, expectedError, type Histogram, totalOf } from './histogram.ts'
import { integerRange } from './math.ts'
import type { Levels, Observer, Statistics } from './observers/observer.ts'

export interface Sensitivity {
  value: string
  /** expected SQNR of this value alone */
  sqnr_db: number
}

/** The values with a histogram, worst first. */
export function rankValues(
  statistics: ReadonlyMap<string, Statistics>,
  observer: Observer,
  levels: Levels,
): Sensitivity[] {
  const [first, last] = integerRange(levels.qtype, levels)
  const ranked = [...statistics].flatMap(([value, found]) => {
    if (!found.histogram || found.histogram.width === 0) return []
    const { min, max } = observer.range(found, levels)
    const noise = expectedError(found.histogram, { min: Math.min(min, 0), max: Math.max(max, 0) }, last - first)
    return [{ value, sqnr_db: 10 * Math.log10(powerOf(found.histogram) / Math.max(noise, Number.MIN_VALUE)) }]
  })
  return ranked.sort((a, b) => a.sqnr_db - b.sqnr_db)
}

function powerOf(histogram: Histogram): number {
  const sum = histogram.counts.reduce((total, count, bin) => total + count * centerOf(histogram, bin) ** 2, 0)
  return sum / Math.max(totalOf(histogram), 1)
}
