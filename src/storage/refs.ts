/** Who still needs an object: a set of references per digest in Redis; the object goes when the last reference goes. */
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { ulid } from 'ulid'
import type { Deps } from '../deps.ts'
import { FewbitError } from '../shared/errors.ts'
import type { StoredObject } from './store.ts'

type RefDeps = Pick<Deps, 'config' | 'redis' | 'store'>

const LOCK_MS = 10_000
const UNLOCK = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0`

export const refsKey = (deps: Pick<Deps, 'config'>, sha256: string): string =>
  `${deps.config.REDIS_PREFIX}:refs:${sha256}`

/** Stores a stream under a reference that is there before the bytes are: a release of the same digest cannot come between. */
export async function putAs(
  deps: RefDeps,
  source: Readable,
  limits: { maxBytes: number; signal?: AbortSignal },
  ref: string,
): Promise<StoredObject> {
  return deps.store.put(source, limits, ({ sha256 }, publish) =>
    withDigest(deps, sha256, async () => {
      await deps.redis.sadd(refsKey(deps, sha256), ref)
      await publish()
    }),
  )
}

/** Adds `ref` (`model:mdl_…`, `dataset:ds_…`, `artifact:art_…`, `upload:…`) to a stored object. */
export async function claim(deps: RefDeps, sha256: string, ref: string): Promise<void> {
  await withDigest(deps, sha256, async () => {
    const found = await deps.store.head(sha256)
    if (!found)
      throw new FewbitError('unavailable', 'the object was deleted at the same moment', { hint: 'Send it again.' })
    await deps.redis.sadd(refsKey(deps, sha256), ref)
  })
}

/** how many references are left; of one that `KEYS[2]` stands for, none is taken */
const RELEASE = `
if KEYS[2] and redis.call('EXISTS', KEYS[2]) == 1 then return -1 end
redis.call('SREM', KEYS[1], ARGV[1])
return redis.call('SCARD', KEYS[1])`

/** Takes `ref` away, unless there is the key `unless`, and deletes the object when no other is left. */
export async function release(deps: RefDeps, sha256: string, ref: string, unless?: string): Promise<void> {
  await withDigest(deps, sha256, async () => {
    const keys = [refsKey(deps, sha256), ...(unless === undefined ? [] : [unless])]
    const left = await deps.redis.eval(RELEASE, keys.length, ...keys, ref)
    if (left === 0) await deps.store.delete(sha256)
  })
}

/** Runs `work` while no other process claims, releases or records this digest. */
export async function withDigest<T>(deps: RefDeps, sha256: string, work: () => Promise<T>): Promise<T> {
  const key = `${deps.config.REDIS_PREFIX}:lock:${sha256}`
  const token = ulid()
  while (!(await deps.redis.set(key, token, 'PX', LOCK_MS, 'NX'))) await delay(10)
  try {
    return await work()
  } finally {
    await deps.redis.eval(UNLOCK, 1, key, token)
  }
}
