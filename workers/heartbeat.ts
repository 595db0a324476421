/** Says that a process without a port is healthy: a file that is touched while the event loop turns and Redis answers. */
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import type { Deps } from '../src/deps.ts'

export type Beating = 'worker' | 'notify'

const INTERVAL_MS = 5000
const STALE_MS = 30_000

/** Containers may share the data directory, so that the host is part of the name. */
const fileOf = (dataDir: string, name: Beating): string => join(dataDir, 'heartbeats', `${hostname()}.${name}`)

/** `ask` is a command that Redis answers. Returns what stops it. */
export function startHeartbeat(
  { config, redis, log }: Pick<Deps, 'config' | 'redis' | 'log'>,
  name: Beating,
  ask: () => Promise<unknown> = () => redis.ping(),
): () => void {
  const file = fileOf(config.DATA_DIR, name)
  mkdirSync(dirname(file), { recursive: true })
  const beat = () =>
    ask().then(
      () => writeFileSync(file, new Date().toISOString()),
      () => log.warn('no heartbeat: Redis does not answer'),
    )
  const timer = setInterval(beat, INTERVAL_MS)
  void beat()
  return () => {
    clearInterval(timer)
    rmSync(file, { force: true })
  }
}

/** Whether the last beat is recent. */
export function isBeating(dataDir: string, name: Beating): boolean {
  const found = statSync(fileOf(dataDir, name), { throwIfNoEntry: false })
  return found !== undefined && Date.now() - found.mtimeMs < STALE_MS
}
