/** What is counted for each owner in Redis. */
import type { Deps } from '../deps.ts'

/** sizes of models, data sets and artifacts, whether or not another owner stores the same bytes */
export const bytesKey = ({ config }: Pick<Deps, 'config'>, owner: string): string =>
  `${config.REDIS_PREFIX}:owner:${owner}:bytes`
