/** Says that a process without a port is healthy: a file that is touched while the event loop turns and Redis answers. */
import { statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Deps } from '../src/deps.ts'

export type Beating = 'worker' | 'notify'

const INTERVAL_MS = 5000
const STALE_MS = 30_000

const fileOf = (name: Beating): string => join(tmpdir(), `fewbit-${name}.heartbeat`)

/** Returns what stops it. */
export function startHeartbeat({ redis, log }: Pick<Deps, 'redis' | 'log'>, name: Beating): () => void {
  const beat = () =>
    redis.ping().then(
      () => writeFileSync(fileOf(name), new Date().toISOString()),
      () => log.warn('no heartbeat: Redis does not answer'),
    )
  const timer = setInterval(beat, INTERVAL_MS)
  void beat()
  return () => clearInterval(timer)
}

/** Whether the last beat is recent. */
export function isBeating(name: Beating): boolean {
  const found = statSync(fileOf(name), { throwIfNoEntry: false })
  return found !== undefined && Date.now() - found.mtimeMs < STALE_MS
}
