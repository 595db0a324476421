/** Where data sets lie in Redis. */
import { createHash } from 'node:crypto'
import type { DatasetSpec } from '../contract/recipe.ts'
import type { Deps } from '../deps.ts'

type Prefixed = Pick<Deps, 'config'>

export const datasetKey = (deps: Prefixed, id: string): string => `${deps.config.REDIS_PREFIX}:dataset:${id}`

/** Sorted set of an owner's ids; they begin with their time, so that lexical order is order of creation. */
export const datasetsKey = (deps: Prefixed, owner: string): string => `${deps.config.REDIS_PREFIX}:datasets:${owner}`

/** Hash of an owner: identity → data set id. */
export const identitiesKey = (deps: Prefixed, owner: string): string =>
  `${deps.config.REDIS_PREFIX}:dataset-identities:${owner}`

export const datasetRef = (id: string): string => `dataset:${id}`

/** The same bytes with another spec are another data set. */
export function identityOf({ sha256, spec }: { sha256: string; spec: DatasetSpec }): string {
  const arrays = Object.entries(spec.arrays).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const { labels, images, text } = spec
  const kind = [...(labels === 'figures' ? [labels] : []), ...[images, text].filter(Boolean)]
  return createHash('sha256')
    .update(JSON.stringify([sha256, arrays.map(([name, { scale, offset }]) => [name, scale, offset]), ...kind]))
    .digest('hex')
}
