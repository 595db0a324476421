/** The error that a range is to be expected to make of one value. */

import { integerRange } from '../../quant/math.ts'
import { centerOf, expectedErrors, type Histogram } from '../histogram.ts'
import type { Range } from '../range.ts'
import type { Levels, Statistics } from './observer.ts'

/**
 * Squared error per element of ranges of one value. Elements count by 1 + x² ÷ mean square: the large ones, which carry what a network says of
 * rare events, weigh as their energy does. Nothing where there is no histogram.
 */
export function errorOfRanges({ histogram }: Statistics, levels: Levels): (range: Range) => number {
  if (!histogram || histogram.width <= 0) return () => 0
  const [first, last] = integerRange(levels.qtype, levels)
  const errors = expectedErrors(weightedByEnergy(histogram))
  return ({ min, max }) => {
    const whole = { min: Math.min(min, 0), max: Math.max(max, 0) }
    const largest = Math.max(-whole.min, whole.max)
    return errors(levels.symmetric ? { min: -largest, max: largest } : whole, last - first)
  }
}

function weightedByEnergy(histogram: Histogram): Histogram {
  const { counts } = histogram
  let [total, energy] = [0, 0]
  for (const [bin, count] of counts.entries()) {
    total += count
    energy += count * centerOf(histogram, bin) ** 2
  }
  const meanSquare = energy / Math.max(total, 1) || 1
  const weightOf = (bin: number) => 1 + centerOf(histogram, bin) ** 2 / meanSquare
  return { ...histogram, counts: counts.map((count, bin) => count * weightOf(bin)) }
}
