/** The queues: transport of job ids and of webhook deliveries. What they carry can always be made again from the records. */
import { FlowProducer, type JobsOptions, Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Config } from '../shared/config.ts'
import type { Correlation } from '../shared/correlation.ts'
import { type Changes, openChanges } from './changes.ts'

export interface JobTicket {
  jobId: string
  /** of the request that queued it; the reconciler has none */
  correlation?: Correlation | undefined
}

/** All jobs of a comparison have left the queue. */
export interface ComparisonTicket {
  comparisonId: string
}

/** A webhook to the address that a job or a comparison names; `body` is signed as it stands. */
export interface Delivery {
  eventId: string
  /** id of the job or comparison */
  subject: string
  owner: string
  url: string
  body: string
  /** it has a secret of its own, which its record holds */
  ownSecret?: boolean
}

/** A webhook to a registered endpoint: the rest is looked up when it is sent. */
export interface Notice {
  deliveryId: string
  /** of several at the owner's wish, which one; the latest counts */
  run: number
}

export interface Queues {
  jobs: Queue<JobTicket>
  comparisons: Queue<ComparisonTicket>
  /** puts a comparison behind its jobs */
  flows: FlowProducer
  notify: Queue<Delivery | Notice>
  /** wakes those who wait for a job or a comparison */
  changes: Changes
}

export const QUEUE_NAMES = { jobs: 'jobs', comparisons: 'comparisons', notify: 'notify' } as const

/** BullMQ's keys live beside ours, under a prefix of their own. */
export const queuePrefix = (config: Config): string => `${config.REDIS_PREFIX}:queue`
export const changesChannel = (config: Config): string => `${config.REDIS_PREFIX}:changed`

/** When whoever took an entry counts as dead, and how often that is looked at. */
export const lockOf = ({ LOCK_SECONDS }: Config) => ({
  lockDuration: 1000 * LOCK_SECONDS,
  stalledInterval: (1000 * LOCK_SECONDS) / 3,
})

const DAY = 86_400
/** How long entries that ended are kept. */
export const RETENTION: JobsOptions = {
  removeOnComplete: { age: DAY, count: 10_000 },
  removeOnFail: { age: 7 * DAY, count: 10_000 },
}

export function openQueues(config: Config, redis: Redis, redisUrl: string): Queues {
  const shared = {
    connection: redis,
    prefix: queuePrefix(config),
    skipWaitingForReady: true,
    defaultJobOptions: RETENTION,
  }
  const queues: Queues = {
    jobs: new Queue(QUEUE_NAMES.jobs, shared),
    comparisons: new Queue(QUEUE_NAMES.comparisons, shared),
    flows: new FlowProducer({ connection: redis, prefix: queuePrefix(config), skipWaitingForReady: true }),
    notify: new Queue(QUEUE_NAMES.notify, shared),
    changes: openChanges(redisUrl, changesChannel(config)),
  }
  // A queue without a listener would throw each connection error as an uncaught one; commands report their own.
  for (const one of [queues.jobs, queues.comparisons, queues.notify]) one.on('error', () => {})
  queues.flows.on('error', () => {})
  return queues
}

export async function closeQueues({ changes, ...queues }: Queues): Promise<void> {
  changes.close()
  await Promise.allSettled(Object.values(queues).map((one) => one.close()))
}
