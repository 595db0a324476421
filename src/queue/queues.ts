/** The queues: transport of job ids and of webhook deliveries. What they carry can always be made again from the records. */
import { type JobsOptions, Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Config } from '../shared/config.ts'
import { type Changes, openChanges } from './changes.ts'

export interface JobTicket {
  jobId: string
}

/** A webhook to the address that a job names; `body` is signed as it stands. */
export interface Delivery {
  eventId: string
  jobId: string
  owner: string
  url: string
  body: string
  /** the job has a secret of its own, which its record holds */
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
  notify: Queue<Delivery | Notice>
  /** wakes those who wait for a job */
  changes: Changes
}

export const QUEUE_NAMES = { jobs: 'jobs', notify: 'notify' } as const

/** BullMQ's keys live beside ours, under a prefix of their own. */
export const queuePrefix = (config: Config): string => `${config.REDIS_PREFIX}:queue`
export const changesChannel = (config: Config): string => `${config.REDIS_PREFIX}:changed`

/** When whoever took an entry counts as dead, and how often that is looked at. */
export const lockOf = ({ LOCK_SECONDS }: Config) => ({
  lockDuration: 1000 * LOCK_SECONDS,
  stalledInterval: (1000 * LOCK_SECONDS) / 3,
})

const DAY = 86_400
const RETENTION: JobsOptions = {
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
    notify: new Queue(QUEUE_NAMES.notify, shared),
    changes: openChanges(redisUrl, changesChannel(config)),
  }
  // A queue without a listener would throw each connection error as an uncaught one; commands report their own.
  for (const queue of [queues.jobs, queues.notify]) queue.on('error', () => {})
  return queues
}

export async function closeQueues({ jobs, notify, changes }: Queues): Promise<void> {
  changes.close()
  await Promise.allSettled([jobs.close(), notify.close()])
}
