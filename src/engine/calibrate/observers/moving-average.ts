/** Mean of the extremes of the batches: one odd batch moves it little. */
import type { Observer } from './observer.ts'

export const movingAverage: Observer = {
  name: 'moving_average',
  needsHistogram: false,
  range: ({ averageMin, averageMax }) => ({ min: averageMin, max: averageMax }),
}
