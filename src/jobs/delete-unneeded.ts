/** Deletes the record of a model or a data set, unless an unfinished job needs it: looked at and done in one step. */
import type { Deps } from '../deps.ts'
import { FewbitError } from '../shared/errors.ts'
import { neededKey } from './record/keys.ts'

export interface Deletion {
  id: string
  /** key of the record */
  record: string
  /** sorted set of its owner's ids */
  list: string
  /** hash of its owner: identity → id */
  identities: string
  identity: string
}

const DELETE = `
local job = redis.call('SRANDMEMBER', KEYS[1])
if job then return job end
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('HGET', KEYS[4], ARGV[2]) == ARGV[1] then redis.call('HDEL', KEYS[4], ARGV[2]) end
return ''`

/** Throws in_use. */
export async function deleteUnneeded(deps: Deps, { id, record, list, identities, identity }: Deletion): Promise<void> {
  const job = await deps.redis.eval(DELETE, 4, neededKey(deps, id), record, list, identities, id, identity)
  if (job) throw new FewbitError('in_use', `the unfinished job ${job} needs it`)
}
