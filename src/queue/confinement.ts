/** What workers say of a confinement that is required (SANDBOX=require), for those who ask whether the service can work. */
import type { Deps } from '../deps.ts'
import { FewbitError } from '../shared/errors.ts'

type Found = 'here' | 'missing'

/** Longer than the pauses between two reports of a worker, and between two starts of one that cannot run. */
const SECONDS = 60

const keyOf = ({ config }: Pick<Deps, 'config'>, found: Found): string => `${config.REDIS_PREFIX}:confinement:${found}`

/** To be repeated: a report holds for a minute. */
export async function reportConfinement(deps: Pick<Deps, 'config' | 'redis'>, found: Found): Promise<void> {
  await deps.redis.set(keyOf(deps, found), new Date().toISOString(), 'EX', SECONDS)
}

/** Throws unavailable when workers miss a confinement that they require and no other worker runs. */
export async function requireConfinement(deps: Pick<Deps, 'config' | 'redis'>): Promise<void> {
  const [here, missing] = await deps.redis.mget(keyOf(deps, 'here'), keyOf(deps, 'missing'))
  if (missing && !here)
    throw new FewbitError('unavailable', 'SANDBOX=require, but bubblewrap does not work for the workers')
}
