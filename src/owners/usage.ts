/** How much an owner has used of what it may. */
import type { Deps } from '../deps.ts'
import { bytesKey, unfinishedKey } from './keys.ts'
import { pendingOf } from './pending-bytes.ts'

export interface Usage {
  used: number
  max: number
}

/** Bytes of models, data sets and artifacts, what was announced, and what is on its way into this process. */
export async function bytesOf(deps: Deps, owner: string): Promise<Usage> {
  const [stored, pending] = await Promise.all([deps.redis.get(bytesKey(deps, owner)), pendingOf(deps, owner)])
  const announced = pending.reduce((sum, { bytes }) => sum + bytes, 0)
  return {
    used: Math.max(0, Number(stored ?? 0)) + announced + deps.arriving.of(owner),
    max: deps.config.MAX_STORED_BYTES,
  }
}

export async function unfinishedJobsOf(deps: Deps, owner: string): Promise<Usage> {
  return { used: await deps.redis.scard(unfinishedKey(deps, owner)), max: deps.config.MAX_QUEUED_JOBS }
}
