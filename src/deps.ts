/** What every verb of the service is given: the process's collaborators, made once at its entry. */
import type { Redis } from 'ioredis'
import type { Queues } from './queue/queues.ts'
import type { Budget } from './shared/budget.ts'
import type { Config } from './shared/config.ts'
import type { Correlation } from './shared/correlation.ts'
import type { Logger } from './shared/log.ts'
import type { Tally } from './shared/tally.ts'
import type { Store } from './storage/store.ts'
import type { Metrics } from './telemetry/metrics.ts'
import type { Tracing } from './telemetry/span.ts'

export interface Deps {
  config: Config
  log: Logger
  metrics: Metrics
  tracing: Tracing
  /** the request that is at work, or that made the job that is */
  correlation?: Correlation | undefined
  /** commands fail within 2 s when Redis is away */
  redis: Redis
  queues: Queues
  store: Store
  /** bytes of memory for the reading of uploads */
  inspections: Budget
  /** bytes of each owner's uploads that are on their way into this process */
  arriving: Tally
}

/** Whoever runs the service: the owner of everything that is made without a key, or with the bootstrap key. */
export const LOCAL_OWNER = 'local'
