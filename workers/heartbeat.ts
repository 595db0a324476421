/** Says that a process without a port is healthy: in Redis for the service, and in a file that is touched while the event loop turns and Redis answers. */
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import type { Deps } from '../src/deps.ts'
import { announce, leave, type Present } from '../src/queue/presence.ts'

const INTERVAL_MS = 5000
const STALE_MS = 30_000

/** Containers may share the data directory, so that the host is part of the name. */
const fileOf = (dataDir: string, name: Present): string => join(dataDir, 'heartbeats', `${hostname()}.${name}`)

/** `also` is what else the process has to say. Returns what stops it. */
export function startHeartbeat(
  deps: Pick<Deps, 'config' | 'redis' | 'log'>,
  name: Present,
  also: () => Promise<unknown> = async () => {},
): () => Promise<void> {
  const { config, log } = deps
  const file = fileOf(config.DATA_DIR, name)
  mkdirSync(dirname(file), { recursive: true })
  const beat = () =>
    Promise.all([announce(deps, name), also()]).then(
      () => writeFileSync(file, new Date().toISOString()),
      () => log.warn('no heartbeat: Redis does not answer'),
    )
  const timer = setInterval(beat, INTERVAL_MS)
  void beat()
  return async () => {
    clearInterval(timer)
    rmSync(file, { force: true })
    await leave(deps, name)
  }
}

/** Whether the last beat is recent. */
export function isBeating(dataDir: string, name: Present): boolean {
  const found = statSync(fileOf(dataDir, name), { throwIfNoEntry: false })
  return found !== undefined && Date.now() - found.mtimeMs < STALE_MS
}
