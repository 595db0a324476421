/** The range with the smallest expected squared error: bounds are pulled in turn by turn while that helps. */
import { expectedError, type Histogram } from '../histogram.ts'
import { integerRange } from '../math.ts'
import type { Levels, Observer, Range } from './observer.ts'

const FRACTIONS = Array.from({ length: 64 }, (_, i) => 1 - i / 80)
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
  const errorOf = (range: Range) => expectedError(histogram, widened(range, levels), last - first)
  let best = whole
  let least = errorOf(whole)
  const consider = (range: Range) => {
    const error = errorOf(range)
    if (error < least) [best, least] = [range, error]
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const fraction of FRACTIONS) consider({ min: best.min, max: whole.max * fraction })
    for (const fraction of FRACTIONS) consider({ min: whole.min * fraction, max: best.max })
  }
  return best
}

function widened({ min, max }: Range, { symmetric }: Levels): Range {
  const largest = Math.max(-min, max)
  return symmetric ? { min: -largest, max: largest } : { min, max }
}
