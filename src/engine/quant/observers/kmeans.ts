/** Clusters the histogram into as many centres as there are integers (Lloyd's algorithm); the outermost centres are the bounds. */
import { centerOf, type Histogram } from '../histogram.ts'
import type { Observer, Range } from './observer.ts'

const CLUSTERS = 256
const ROUNDS = 20

export const kmeans: Observer = {
  name: 'kmeans',
  needsHistogram: true,
  range: ({ histogram, min, max }) =>
    histogram && histogram.width > 0 ? cluster(histogram, { min, max }) : { min, max },
}

function cluster(histogram: Histogram, { min, max }: Range): Range {
  let centers = Float64Array.from({ length: CLUSTERS }, (_, i) => min + ((i + 0.5) * (max - min)) / CLUSTERS)
  for (let round = 0; round < ROUNDS; round++) centers = moved(histogram, centers)
  const half = (max - min) / CLUSTERS / 2
  return { min: Math.max(min, centers[0]! - half), max: Math.min(max, centers[CLUSTERS - 1]! + half) }
}

/** Each centre at the mean of what is nearest to it; an empty one stays. */
function moved(histogram: Histogram, centers: Float64Array): Float64Array<ArrayBuffer> {
  const sums = new Float64Array(CLUSTERS)
  const weights = new Float64Array(CLUSTERS)
  let nearest = 0
  for (const [bin, count] of histogram.counts.entries()) {
    const x = centerOf(histogram, bin)
    while (nearest + 1 < CLUSTERS && Math.abs(centers[nearest + 1]! - x) <= Math.abs(centers[nearest]! - x)) nearest++
    sums[nearest]! += count * x
    weights[nearest]! += count
  }
  return Float64Array.from(centers, (center, i) => (weights[i]! > 0 ? sums[i]! / weights[i]! : center))
}
