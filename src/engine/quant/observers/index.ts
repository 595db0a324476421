/** Every observer by name. */
import type { ObserverName } from '../../recipe.ts'
import { minmax } from './minmax.ts'
import type { Observer } from './observer.ts'

export const OBSERVERS = { minmax } satisfies Record<ObserverName, Observer>

/** Resolves `auto`. */
export const chooseObserver = (name: ObserverName | 'auto'): Observer => OBSERVERS[name === 'auto' ? 'minmax' : name]
