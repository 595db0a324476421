/** Smallest and largest value ever seen. */
import type { Observer, Range } from './observer.ts'

export const minmax: Observer = {
  name: 'minmax',
  start: () => {
    let seen: Range | null = null
    return {
      update: ([low, high]) => {
        seen = seen ? { min: Math.min(seen.min, low), max: Math.max(seen.max, high) } : { min: low, max: high }
      },
      range: () => seen,
    }
  },
}
