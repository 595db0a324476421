/** Every observer by name. */
import type { ObserverName } from '../../../contract/recipe.ts'
import { entropy } from './entropy.ts'
import { kmeans } from './kmeans.ts'
import { minmax } from './minmax.ts'
import { movingAverage } from './moving-average.ts'
import { mse } from './mse.ts'
import type { Observer } from './observer.ts'
import { percentile } from './percentile.ts'

export const OBSERVERS = {
  minmax,
  moving_average: movingAverage,
  percentile,
  entropy,
  mse,
  kmeans,
} as const satisfies Record<ObserverName, Observer>

/** What `auto` chooses between, by the score of the whole network. */
const CANDIDATES: readonly Observer[] = [minmax, percentile, mse]

export const observersFor = (name: ObserverName | 'auto'): readonly Observer[] =>
  name === 'auto' ? CANDIDATES : [OBSERVERS[name]]
