/** Remembers when an API key was used last: at most one write a minute, for which nobody waits. */
import type { Deps } from '../deps.ts'
import { messageOf } from '../shared/errors.ts'
import { apiKeyKey } from './keys.ts'

const INTERVAL_MS = 60_000
/** A key that was revoked meanwhile must not come back as an empty record. */
const MARK = `if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'used', ARGV[1]) end`

/** by connection, as a process may serve several */
const marked = new WeakMap<Deps['redis'], Map<string, number>>()

export function markUsed(deps: Pick<Deps, 'config' | 'redis' | 'log'>, id: string): void {
  const times = marked.get(deps.redis) ?? new Map<string, number>()
  marked.set(deps.redis, times)
  const now = Date.now()
  if (now - (times.get(id) ?? 0) < INTERVAL_MS) return
  times.set(id, now)
  deps.redis
    .eval(MARK, 1, apiKeyKey(deps, id), new Date(now).toISOString())
    .catch((error) => deps.log.warn({ key_id: id, reason: messageOf(error) }, 'the use of a key was not recorded'))
}
