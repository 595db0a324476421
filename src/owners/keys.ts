/** Where Redis counts what an owner stores, and what unfinished jobs need. */
import type { Deps } from '../deps.ts'

type KeyDeps = Pick<Deps, 'config'>

/** sizes of models, data sets and artifacts, whether or not another owner stores the same bytes */
export const bytesKey = ({ config }: KeyDeps, owner: string): string => `${config.REDIS_PREFIX}:owner:${owner}:bytes`

/** hash of what an owner announced and has not completed: id → JSON */
export const pendingKey = ({ config }: KeyDeps, owner: string): string =>
  `${config.REDIS_PREFIX}:owner:${owner}:pending`

/** the unfinished jobs of an owner */
export const unfinishedKey = ({ config }: KeyDeps, owner: string): string =>
  `${config.REDIS_PREFIX}:owner:${owner}:jobs:unfinished`

/** the unfinished jobs that need a model or a data set */
export const neededKey = ({ config }: KeyDeps, id: string): string => `${config.REDIS_PREFIX}:needed:${id}`
