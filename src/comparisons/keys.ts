/** Where comparisons lie in Redis. */
import type { Deps } from '../deps.ts'

type Prefixed = Pick<Deps, 'config'>

/** Hash: `version`, and `record` as JSON. */
export const comparisonKey = ({ config }: Prefixed, id: string): string => `${config.REDIS_PREFIX}:comparison:${id}`
export const comparisonEventsKey = (deps: Prefixed, id: string): string => `${comparisonKey(deps, id)}:events`

/** Sorted set of an owner's ids, which sort by time. */
export const comparisonsKey = ({ config }: Prefixed, owner: string): string =>
  `${config.REDIS_PREFIX}:owner:${owner}:comparisons`

/** The unfinished comparisons of all owners. */
export const openComparisonsKey = ({ config }: Prefixed): string => `${config.REDIS_PREFIX}:comparisons:open`
