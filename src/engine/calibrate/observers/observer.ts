/** Observer: what calibration saw of one value in, range out. */

import type { QuantSpec } from '../../quant/math.ts'
import type { Histogram } from '../histogram.ts'
import type { Range } from '../range.ts'

/** What calibration saw of one value. */
export interface Statistics extends Range {
  /** means of the extremes of single batches */
  averageMin: number
  averageMax: number
  /** present when the observer needs it */
  histogram: Histogram | null
  /** smallest maximum of a row that is not masked as a whole, of what Softmax reads */
  peak?: number
}

export type Levels = QuantSpec

export interface Observer {
  name: string
  needsHistogram: boolean
  range(statistics: Statistics, levels: Levels): Range
}
