/** Bytes that were announced and are not stored as something yet: they count among those of their owner until they expire. */
import type { Deps } from '../deps.ts'
import { FewbitError } from '../shared/errors.ts'
import { bytesKey, pendingKey } from './keys.ts'

type KeyDeps = Pick<Deps, 'config' | 'redis'>

export interface Pending {
  id: string
  bytes: number
  /** milliseconds since 1970 */
  until: number
}

const MOST_PENDING = 100

/** 0: no room; -1: too many. One that is there already only lives longer. */
const HOLD = `
local now = tonumber(ARGV[4])
local used = tonumber(redis.call('GET', KEYS[2]) or '0')
local count = 0
for _, text in ipairs(redis.call('HVALS', KEYS[1])) do
  local one = cjson.decode(text)
  if one.until_ms <= now then redis.call('HDEL', KEYS[1], one.id) else
    count = count + 1
    used = used + one.bytes
  end
end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  if count >= tonumber(ARGV[6]) then return -1 end
  if used + tonumber(ARGV[3]) > tonumber(ARGV[5]) then return 0 end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1`

/** Throws stored_bytes_exceeded and too_many_uploads. */
export async function holdBytes(deps: KeyDeps, owner: string, { id, bytes, until }: Pending): Promise<void> {
  const { config, redis } = deps
  const text = JSON.stringify({ id, bytes, until_ms: until })
  const keys = [pendingKey(deps, owner), bytesKey(deps, owner)]
  const words = [id, text, bytes, Date.now(), config.MAX_STORED_BYTES, MOST_PENDING]
  const held = Number(await redis.eval(HOLD, keys.length, ...keys, ...words))
  if (held < 0) throw new FewbitError('too_many_uploads', `at most ${MOST_PENDING} uploads may be unfinished`)
  if (held === 0)
    throw new FewbitError('stored_bytes_exceeded', `all together may take ${config.MAX_STORED_BYTES} bytes`, {
      hint: 'Delete models, data sets, jobs or unfinished uploads that are not needed any more.',
    })
}

export async function dropBytes(deps: KeyDeps, owner: string, id: string): Promise<void> {
  await deps.redis.hdel(pendingKey(deps, owner), id)
}

/** Those that have not expired. */
export async function pendingOf(deps: KeyDeps, owner: string): Promise<Pending[]> {
  const texts = await deps.redis.hvals(pendingKey(deps, owner))
  return texts.flatMap((text) => {
    const { until_ms: until, ...one } = JSON.parse(text) as Omit<Pending, 'until'> & { until_ms: number }
    return until > Date.now() ? [{ ...one, until }] : []
  })
}
