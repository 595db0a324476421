/** Smallest and largest value ever seen. */
import type { Observer } from './observer.ts'

export const minmax: Observer = { name: 'minmax', needsHistogram: false, range: ({ min, max }) => ({ min, max }) }
