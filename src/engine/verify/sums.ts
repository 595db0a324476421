/** Sums over the elements of a float and a quantized output, and the figures that follow from them. */

/** Sums over elements: of squares of the float model's, of the differences, of the quantized ones, and of products of both. */
export interface Sums {
  signal: number
  noise: number
  product: number
  quantized: number
}

/** The same with numbers of elements. */
export interface Tally extends Sums {
  /** that are finite in the float model; the others cannot be compared */
  count: number
  /** that differ after rounding to whole numbers */
  unequal: number
}

/** Reported instead of infinity when two outputs are identical. */
const IDENTICAL_DB = 200

export const noTally = (): Tally => ({ signal: 0, noise: 0, product: 0, quantized: 0, count: 0, unequal: 0 })

/** Adds `some` to `tally`. */
export function addTally(tally: Tally, some: Tally): void {
  tally.signal += some.signal
  tally.noise += some.noise
  tally.product += some.product
  tally.quantized += some.quantized
  tally.count += some.count
  tally.unequal += some.unequal
}

/** Signal to noise in dB, between −200 and 200. */
export function decibels({ signal, noise }: Pick<Sums, 'signal' | 'noise'>): number {
  if (noise === 0) return IDENTICAL_DB
  return Math.max(-IDENTICAL_DB, Math.min(IDENTICAL_DB, 10 * Math.log10(signal / noise)))
}

export function cosine({ signal, quantized, product }: Sums): number {
  if (signal === 0 || quantized === 0) return signal === quantized ? 1 : 0
  return Math.max(-1, Math.min(1, product / Math.sqrt(signal * quantized)))
}
