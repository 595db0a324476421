/** The range with the smallest expected squared error: bounds are pulled in turn by turn while that helps. */

import { integerRange, scaleZeroPoint } from '../../quant/math.ts'
import { expectedErrors, type Histogram } from '../histogram.ts'
import type { Range } from '../range.ts'
import type { Levels, Observer } from './observer.ts'

const FRACTIONS = Array.from({ length: 64 }, (_, i) => 1 - i / 80)
/** a few bits want far narrower ranges */
const FEW_BITS = 5
const NARROW_FRACTIONS = Array.from({ length: 64 }, (_, i) => 1 - i / 66)
const ROUNDS = 3

export const mse: Observer = {
  name: 'mse',
  needsHistogram: true,
  range: ({ histogram, min, max }, levels) =>
    histogram && histogram.width > 0
      ? search(histogram, { min: Math.min(min, 0), max: Math.max(max, 0) }, levels)
      : { min, max },
}

function search(histogram: Histogram, whole: Range, levels: Levels): Range {
  const [first, last] = integerRange(levels.qtype, levels)
  const errors = expectedErrors(histogram)
  const errorOf = (range: Range) => errors(widened(range, levels), last - first)
  let best = whole
  let least = errorOf(whole)
  const consider = (range: Range) => {
    const error = errorOf(range)
    if (error < least) [best, least] = [range, error]
  }
  const fractions = last - first < 2 ** FEW_BITS ? NARROW_FRACTIONS : FRACTIONS
  for (let round = 0; round < ROUNDS; round++) {
    for (const fraction of fractions) consider({ min: best.min, max: whole.max * fraction })
    for (const fraction of fractions) consider({ min: whole.min * fraction, max: best.max })
  }
  return best
}

/** What the integers can say when their scale is chosen for `range`. */
function widened({ min, max }: Range, levels: Levels): Range {
  const largest = Math.max(-min, max)
  const wished = levels.symmetric ? { min: -largest, max: largest } : { min, max }
  if (!levels.powerOfTwo) return wished
  const [first, last] = integerRange(levels.qtype, levels)
  const { scale, zeroPoint } = scaleZeroPoint(wished.min, wished.max, levels.qtype, levels)
  return { min: (first - zeroPoint) * scale, max: (last - zeroPoint) * scale }
}
