/** Opens and closes what a process of the service needs: Redis, the queues, the store. */
import type { Deps } from './deps.ts'
import { connectFailFast, settled } from './queue/connection.ts'
import { closeQueues, openQueues } from './queue/queues.ts'
import { openBudget } from './shared/budget.ts'
import type { Config } from './shared/config.ts'
import type { Logger } from './shared/log.ts'
import { openTally } from './shared/tally.ts'
import { openStore } from './storage/open.ts'
import { openMetrics } from './telemetry/metrics.ts'
import { openTracing } from './telemetry/tracing.ts'

/** shorter than a connection may be silent */
const MAX_WAIT_MS = 120_000

/** A Redis that is away is no reason to fail: commands throw `unavailable` until it is back. */
export async function openDeps(config: Config, log: Logger): Promise<Deps> {
  const url = config.REDIS_URL
  if (!url) throw new Error('REDIS_URL is not set; `npm start` runs everything with a private Redis')
  const redis = connectFailFast(url)
  redis.on('error', (error) => log.warn({ reason: error.message }, 'redis connection'))
  await settled(redis)
  return {
    config,
    log,
    metrics: openMetrics(),
    tracing: await openTracing(config, String(log.bindings().process)),
    redis,
    queues: openQueues(config, redis, url),
    store: await openStore(config.STORE_URL),
    arriving: openTally(),
    inspections: openBudget(config.INSPECTION_MEMORY_BYTES, MAX_WAIT_MS),
  }
}

export async function closeDeps(deps: Deps): Promise<void> {
  await closeQueues(deps.queues)
  deps.redis.disconnect()
  await deps.tracing.close()
}
