/** Where models lie in Redis. */
import { createHash } from 'node:crypto'
import type { Deps } from '../deps.ts'
import type { ModelFile } from './model.ts'

type Prefixed = Pick<Deps, 'config'>

export const modelKey = (deps: Prefixed, id: string): string => `${deps.config.REDIS_PREFIX}:model:${id}`

/** Sorted set of an owner's ids; they begin with their time, so that lexical order is order of creation. */
export const modelsKey = (deps: Prefixed, owner: string): string => `${deps.config.REDIS_PREFIX}:models:${owner}`

/** Hash of an owner: identity of the bytes → model id. */
export const identitiesKey = (deps: Prefixed, owner: string): string =>
  `${deps.config.REDIS_PREFIX}:model-identities:${owner}`

export const modelRef = (id: string): string => `model:${id}`

/** One digest over all files and their names. */
export function identityOf(files: readonly ModelFile[]): string {
  const parts = files.map(({ path, sha256 }) => `${sha256} ${path}`).toSorted()
  return createHash('sha256').update(parts.join('\n')).digest('hex')
}
