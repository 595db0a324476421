/** Cuts the same share of elements off at both tails; a value that is never negative loses it at the top only. */
import { centerOf, type Histogram, totalOf } from '../histogram.ts'
import type { Range } from '../range.ts'
import type { Observer } from './observer.ts'

const CUT = 1 - 0.9999

export const percentile: Observer = {
  name: 'percentile',
  needsHistogram: true,
  range: ({ histogram, min, max }) => (histogram && histogram.width > 0 ? cut(histogram, { min, max }) : { min, max }),
}

function cut(histogram: Histogram, { min, max }: Range): Range {
  const oneSided = min >= 0 || max <= 0
  const allowed = totalOf(histogram) * (oneSided ? CUT : CUT / 2)
  return {
    min: min >= 0 ? min : centerOf(histogram, firstBeyond(histogram.counts, allowed)) - histogram.width / 2,
    max:
      max <= 0
        ? max
        : centerOf(histogram, histogram.counts.length - 1 - firstBeyond(histogram.counts.toReversed(), allowed)) +
          histogram.width / 2,
  }
}

/** The first bin up to which more than `allowed` elements lie. */
function firstBeyond(counts: Float64Array, allowed: number): number {
  let sum = 0
  const found = counts.findIndex((count) => {
    sum += count
    return sum > allowed
  })
  return Math.max(found, 0)
}
