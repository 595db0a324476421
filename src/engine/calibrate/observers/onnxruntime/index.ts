/** The calibrators of onnxruntime.quantization 1.30 for one value, to the bit and without keeping what they have seen. */
import type { Range } from '../../range.ts'
import { leastDivergence } from './divergence.ts'
import { countBetween, countEqual, type EdgeHistogram, equalBins, extended } from './histogram.ts'
import { pairwiseSum } from './sum.ts'

export type OrtCalibratorName = 'minmax' | 'moving_average' | 'percentile' | 'entropy'

export interface OrtCalibratorOptions {
  symmetric: boolean
  /** of ranges of later collections, moving average only */
  averagingConstant: number
  bins: number
  /** entropy only */
  quantizedBins: number
  /** percentile only */
  percentile: number
}

/** Of one batch. */
export interface Extremes extends Range {
  /** smallest magnitude */
  nearest: number
}

/** null for a batch without elements. */
export function extremesOf(values: Float32Array): Extremes | null {
  if (values.length === 0) return null
  let [min, max, nearest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (const x of values) {
    min = Math.min(min, x)
    max = Math.max(max, x)
    nearest = Math.min(nearest, Math.abs(x))
  }
  return { min, max, nearest }
}

/** Batches come in collections: all at once, or some at a time. */
export interface OrtCalibrator {
  /** whether the elements have to be read too */
  needsElements: boolean
  /** Opens a collection, whose batches have these extremes. */
  open(extremes: readonly Extremes[]): void
  /** The elements of a batch of the open collection. */
  add(values: Float32Array): void
  range(): Range
}

const f = Math.fround

/** Source: the defaults of create_calibrator. */
const DEFAULTS = {
  minmax: { symmetric: false, averagingConstant: 0.01, bins: 0, quantizedBins: 0, percentile: 100 },
  moving_average: { symmetric: false, averagingConstant: 0.01, bins: 0, quantizedBins: 0, percentile: 100 },
  percentile: { symmetric: true, averagingConstant: 0, bins: 2048, quantizedBins: 0, percentile: 99.999 },
  entropy: { symmetric: false, averagingConstant: 0, bins: 128, quantizedBins: 128, percentile: 100 },
} as const satisfies Record<OrtCalibratorName, OrtCalibratorOptions>

export function createOrtCalibrator(name: OrtCalibratorName, given: Partial<OrtCalibratorOptions> = {}): OrtCalibrator {
  return CALIBRATORS[name]({ ...DEFAULTS[name], ...given })
}

const CALIBRATORS: Record<OrtCalibratorName, (options: OrtCalibratorOptions) => OrtCalibrator> = {
  minmax: (options) =>
    fromExtremes(options, wholeOf, (before, now) => ({
      min: Math.min(before.min, now.min),
      max: Math.max(before.max, now.max),
    })),
  moving_average: (options) =>
    fromExtremes(options, meanOf, (before, now) => ({
      min: f(before.min + f(f(options.averagingConstant) * f(now.min - before.min))),
      max: f(before.max + f(f(options.averagingConstant) * f(now.max - before.max))),
    })),
  percentile: (options) => (options.symmetric ? cutMagnitudes(options) : cutTails(options)),
  entropy: (options) => counted((histogram) => leastDivergence(histogram, options.quantizedBins), options.bins),
}

/** Ranges of collections, merged. Source: MinMaxCalibrater.compute_data and merge_range. */
function fromExtremes(
  { symmetric }: OrtCalibratorOptions,
  rangeOf: (extremes: readonly Range[]) => Range,
  merge: (before: Range, now: Range) => Range,
): OrtCalibrator {
  let range: Range | null = null
  return {
    needsElements: false,
    open(extremes) {
      const { min, max } = rangeOf(extremes)
      const largest = Math.max(Math.abs(min), Math.abs(max))
      const now = symmetric ? { min: -largest, max: largest } : { min, max }
      range = range ? merge(range, now) : now
    },
    add: () => {},
    range: () => range ?? NOTHING,
  }
}

const NOTHING: Range = { min: 0, max: 0 }

const wholeOf = (extremes: readonly Range[]): Range => ({
  min: extremes.reduce((least, { min }) => Math.min(least, min), Number.POSITIVE_INFINITY),
  max: extremes.reduce((most, { max }) => Math.max(most, max), Number.NEGATIVE_INFINITY),
})

function meanOf(extremes: readonly Range[]): Range {
  const mean = (end: (range: Range) => number) => f(pairwiseSum(Float32Array.from(extremes, end)) / extremes.length)
  return { min: mean(({ min }) => min), max: mean(({ max }) => max) }
}

const within = (range: Range, seen: Range): Range => ({
  min: Math.max(range.min, seen.min),
  max: Math.min(range.max, seen.max),
})

/** Source: HistogramCollector.collect_value and merge_histogram: bins on both sides of 0, more of them when larger values come. */
function counted(rangeOf: (histogram: EdgeHistogram) => Range, bins: number): OrtCalibrator {
  let seen: Range | null = null
  let threshold = 0
  let histogram = equalBins(bins, NOTHING)
  return {
    needsElements: true,
    open(extremes) {
      const now = wholeOf(extremes)
      const reach = f(Math.max(Math.abs(now.min), Math.abs(now.max)))
      if (!seen || (reach > threshold && threshold === 0)) {
        const fresh = equalBins(bins, { min: -reach, max: reach })
        fresh.counts.set(histogram.counts)
        ;[histogram, threshold] = [fresh, reach]
      } else if (reach > threshold) [histogram, threshold] = widened(histogram, threshold, reach)
      seen = seen ? wholeOf([seen, now]) : now
    },
    add: (values) => countEqual(histogram, values),
    range: () => within(rangeOf(histogram), seen ?? NOTHING),
  }
}

function widened({ counts }: EdgeHistogram, threshold: number, reach: number): [EdgeHistogram, number] {
  const stride = f(f(2 * threshold) / counts.length)
  const added = floorDivide(f(reach - threshold), stride) + 1
  const wide = f(f(added * stride) + threshold)
  const histogram = equalBins(counts.length + 2 * added, { min: -wide, max: wide })
  histogram.counts.set(counts, added)
  return [histogram, wide]
}

/** Source: numpy.floor_divide of float32. */
function floorDivide(a: number, b: number): number {
  const quotient = f(f(a - (a % b)) / b)
  const floor = Math.floor(quotient)
  return quotient - floor > 0.5 ? floor + 1 : floor
}

/** Source: compute_percentile, not symmetric. */
function cutTails({ percentile, bins }: OrtCalibratorOptions): OrtCalibrator {
  const cut = (100 - percentile) / 200
  return counted(
    ({ counts, edges }) => ({
      min: edges[firstReaching(counts, cut)]!,
      max: edges[firstReaching(counts, 1 - cut)]!,
    }),
    bins,
  )
}

/** Source: HistogramCollector.collect_absolute_value and compute_percentile, symmetric. */
function cutMagnitudes({ percentile, bins }: OrtCalibratorOptions): OrtCalibrator {
  let seen: Range | null = null
  let histogram: EdgeHistogram | null = null
  let count = countEqual
  return {
    needsElements: true,
    open(extremes) {
      const now = wholeOf(extremes)
      seen = seen ? wholeOf([seen, now]) : now
      if (histogram) {
        histogram = extended(histogram, Math.max(Math.abs(now.min), Math.abs(now.max)))
        count = countBetween
      } else histogram = equalBins(bins, magnitudesOf(extremes))
    },
    add: (values) => count(histogram!, values.map(Math.abs)),
    range() {
      const { counts, edges } = histogram ?? equalBins(bins, NOTHING)
      const bound = f(edges[firstReaching(counts, percentile / 100)]!)
      return within({ min: -bound, max: bound }, seen ?? NOTHING)
    },
  }
}

const magnitudesOf = (extremes: readonly Extremes[]): Range => ({
  min: extremes.reduce((least, { nearest }) => Math.min(least, nearest), Number.POSITIVE_INFINITY),
  max: extremes.reduce((most, { min, max }) => Math.max(most, Math.abs(min), Math.abs(max)), 0),
})

/** The first bin up to which at least this share of all elements lies. */
function firstReaching(counts: Float64Array, share: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0)
  let reached = 0
  const found = counts.findIndex((count) => {
    reached += count / total
    return reached >= share
  })
  return found < 0 ? counts.length : found
}
