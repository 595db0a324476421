/** Where resumable uploads lie in Redis. */
import type { Deps } from '../deps.ts'

/** Hash: `record` as JSON, `part:<n>` as JSON, `until` in milliseconds, `result`; gone when it expires. */
export const uploadKey = ({ config }: Pick<Deps, 'config'>, id: string): string => `${config.REDIS_PREFIX}:upload:${id}`

/** There while some process puts the parts together. */
export const completingKey = (deps: Pick<Deps, 'config'>, id: string): string => `${uploadKey(deps, id)}:completing`

export const partField = (n: number): string => `part:${n}`

/** Keeps a part's bytes as long as the upload is there. */
export const partRef = (id: string, n: number): string => `part:${id}:${n}`
