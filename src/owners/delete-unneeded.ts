/** Deletes the record of a model or a data set, unless an unfinished job needs it: looked at and done in one step. */
import type { Deps } from '../deps.ts'
import { FewbitError } from '../shared/errors.ts'
import { bytesKey, neededKey } from './keys.ts'

export interface Deletion {
  id: string
  /** key of the record */
  record: string
  /** sorted set of its owner's ids */
  list: string
  /** hash of its owner: identity → id */
  identities: string
  identity: string
  owner: string
  size_bytes: number
}

const DELETE = `
local job = redis.call('SRANDMEMBER', KEYS[1])
if job then return job end
if redis.call('DEL', KEYS[2]) == 1 then redis.call('DECRBY', KEYS[5], ARGV[3]) end
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('HGET', KEYS[4], ARGV[2]) == ARGV[1] then redis.call('HDEL', KEYS[4], ARGV[2]) end
return ''`

/** Throws in_use. */
export async function deleteUnneeded(deps: Deps, deletion: Deletion): Promise<void> {
  const { id, record, list, identities, identity, owner, size_bytes } = deletion
  const keys = [neededKey(deps, id), record, list, identities, bytesKey(deps, owner)]
  const job = await deps.redis.eval(DELETE, keys.length, ...keys, id, identity, size_bytes)
  if (job) throw new FewbitError('in_use', `the unfinished job ${job} needs it`)
}
