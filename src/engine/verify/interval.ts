/** 95 % intervals of figures for other samples of the same kind: the percentile bootstrap, seeded, and Wilson's for shares. B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13. */
import { randomSource } from '../data/synthetic.ts'

export type Interval = [low: number, high: number]

const RESAMPLES = 1000
const SEED = 0
/** fewer samples say nothing of others */
export const LEAST_SAMPLES = 5
const TAIL = 0.025

/** What `figure` gives for so many samples drawn with replacement, at both ends of the middle 95 %; null for fewer than five. */
export function bootstrap(samples: number, figure: (drawn: Int32Array) => number): Interval | null {
  if (samples < LEAST_SAMPLES) return null
  const random = randomSource(SEED)
  const drawn = new Int32Array(samples)
  const found = Float64Array.from({ length: RESAMPLES }, () => {
    for (let i = 0; i < samples; i++) drawn[i] = Math.floor(random() * samples)
    return figure(drawn)
  }).sort()
  return [quantile(found, TAIL), quantile(found, 1 - TAIL)]
}

/** The value below which a share of `sorted` lies, between neighbours in proportion; NaN of nothing. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const at = share * (sorted.length - 1)
  const [low, high] = [sorted[Math.floor(at)] ?? Number.NaN, sorted[Math.ceil(at)] ?? Number.NaN]
  return low === high ? low : low + (high - low) * (at - Math.floor(at))
}

const Z = 1.96

/** The interval of a share: Wilson's, which holds near 0 and 1 too. */
export function wilson(share: number, samples: number): Interval {
  const spread = Z ** 2 / samples
  const middle = (share + spread / 2) / (1 + spread)
  const half = (Z / (1 + spread)) * Math.sqrt((share * (1 - share)) / samples + spread / (4 * samples))
  return [Math.max(0, middle - half), Math.min(1, middle + half)]
}
