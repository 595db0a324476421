/** How many jobs of an owner are queued, running or being canceled. */
import type { Deps } from '../deps.ts'
import { unfinishedKey } from './record/keys.ts'

export async function countUnfinishedJobs(deps: Deps, owner: string): Promise<number> {
  return deps.redis.scard(unfinishedKey(deps, owner))
}
