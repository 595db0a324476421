/** Where API keys lie in Redis. */
import type { Deps } from '../deps.ts'

type Prefixed = Pick<Deps, 'config'>

/** Hash: `record`, as JSON, and `used`, the time of the last use. */
export const apiKeyKey = ({ config }: Prefixed, id: string): string => `${config.REDIS_PREFIX}:api-key:${id}`

/** Sorted set of an owner's ids, which sort by time. */
export const apiKeysKey = ({ config }: Prefixed, owner: string): string => `${config.REDIS_PREFIX}:api-keys:${owner}`

/** What the key with this hash may do; gone when it may nothing. */
export const grantKey = ({ config }: Prefixed, hash: string): string => `${config.REDIS_PREFIX}:api-key-grant:${hash}`
