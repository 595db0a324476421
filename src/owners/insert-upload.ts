/** Records an upload, unless its owner has the same already or no room: looked at and done in one step. */
import type { Deps } from '../deps.ts'
import { bytesKey } from './keys.ts'

export interface NewRecord {
  id: string
  owner: string
  size_bytes: number
}

export interface Place {
  /** key of the record with an id */
  keyOf: (id: string) => string
  /** sorted set of its owner's ids */
  list: string
  /** hash of its owner: identity → id */
  identities: string
  identity: string
}

const INSERT = `
local known = redis.call('HGET', KEYS[3], ARGV[2])
local faster = known and redis.call('GET', ARGV[6] .. known)
if faster then return faster end
local used = tonumber(redis.call('GET', KEYS[4]) or '0')
if used + tonumber(ARGV[4]) > tonumber(ARGV[5]) then return '' end
redis.call('SET', KEYS[1], ARGV[3])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('HSET', KEYS[3], ARGV[2], ARGV[1])
redis.call('INCRBY', KEYS[4], ARGV[4])
return ARGV[3]`

/** Resolves to the record that there is now, this one or that of a faster upload; null when there is no room. */
export async function insertUpload<T extends NewRecord>(deps: Deps, record: T, place: Place): Promise<T | null> {
  const { id, owner, size_bytes } = record
  const max = deps.config.MAX_STORED_BYTES
  const keys = [place.keyOf(id), place.list, place.identities, bytesKey(deps, owner)]
  const values = [id, place.identity, JSON.stringify(record), size_bytes, max, place.keyOf('')]
  const found = String(await deps.redis.eval(INSERT, keys.length, ...keys, ...values))
  return found === '' ? null : (JSON.parse(found) as T)
}
