/** Clusters the histogram into as many centres as there are integers (Lloyd's algorithm); the outermost centres are the bounds. */

import { integerCount } from '../../quant/math.ts'
import { centerOf, type Histogram } from '../histogram.ts'
import type { Range } from '../range.ts'
import type { Observer } from './observer.ts'

const ROUNDS = 20

export const kmeans: Observer = {
  name: 'kmeans',
  needsHistogram: true,
  range: ({ histogram, min, max }, levels) => {
    const clusters = integerCount(levels)
    return histogram && histogram.width > 0 && clusters <= histogram.counts.length / 2
      ? cluster(histogram, { min, max }, clusters)
      : { min, max }
  },
}

function cluster(histogram: Histogram, { min, max }: Range, clusters: number): Range {
  let centers = Float64Array.from({ length: clusters }, (_, i) => min + ((i + 0.5) * (max - min)) / clusters)
  for (let round = 0; round < ROUNDS; round++) centers = moved(histogram, centers)
  const half = (max - min) / clusters / 2
  return { min: Math.max(min, centers[0]! - half), max: Math.min(max, centers[clusters - 1]! + half) }
}

/** Each centre at the mean of what is nearest to it; an empty one stays. */
function moved(histogram: Histogram, centers: Float64Array): Float64Array<ArrayBuffer> {
  const sums = new Float64Array(centers.length)
  const weights = new Float64Array(centers.length)
  let nearest = 0
  for (const [bin, count] of histogram.counts.entries()) {
    const x = centerOf(histogram, bin)
    while (nearest + 1 < centers.length && Math.abs(centers[nearest + 1]! - x) <= Math.abs(centers[nearest]! - x))
      nearest++
    sums[nearest]! += count * x
    weights[nearest]! += count
  }
  return Float64Array.from(centers, (center, i) => (weights[i]! > 0 ? sums[i]! / weights[i]! : center))
}
