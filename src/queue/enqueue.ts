/** Puts a job's id, or a webhook delivery, on its queue: once per id, within 2 s. */
import type { Queue } from 'bullmq'
import type { Deps } from '../deps.ts'
import { bounded } from './connection.ts'
import type { Delivery, Notice } from './queues.ts'

type QueueDeps = Pick<Deps, 'queues'>

/** BullMQ serves entries without a priority before all that have one, so every entry has one. */
const PRIORITIES = { high: 5, normal: 10, low: 15 } as const
const PRIORITY = PRIORITIES.normal
const LIVE_STATES = ['active', 'waiting', 'delayed', 'prioritized', 'waiting-children']

/** What of a job decides when it is taken. */
interface Waiting {
  id: string
  priority?: keyof typeof PRIORITIES
}

/** Throws unavailable. A second call for the same job changes nothing. */
export async function enqueueJob({ queues }: QueueDeps, { id, priority }: Waiting): Promise<void> {
  const options = { jobId: id, priority: PRIORITIES[priority ?? 'normal'] }
  await bounded(queues.jobs.add('quantize', { jobId: id }, options), 'the queue')
}

/** Throws unavailable. `attempts` counts the first try. */
export async function enqueueDelivery(deps: QueueDeps, delivery: Delivery, attempts: number): Promise<void> {
  await enqueueWebhook(deps, delivery.eventId, delivery, attempts)
}

/** The same for a registered endpoint. */
export async function enqueueNotice(deps: QueueDeps, notice: Notice, attempts: number): Promise<void> {
  await enqueueWebhook(deps, `${notice.deliveryId}-${notice.run}`, notice, attempts)
}

async function enqueueWebhook(
  { queues }: QueueDeps,
  jobId: string,
  entry: Delivery | Notice,
  attempts: number,
): Promise<void> {
  const options = { jobId, priority: PRIORITY, attempts, backoff: { type: 'custom' } }
  await bounded(queues.notify.add('deliver', entry, options), 'the queue')
}

/** Whether some worker has, or will be given, this job. */
export async function hasLiveEntry({ queues }: QueueDeps, jobId: string): Promise<boolean> {
  return LIVE_STATES.includes(await bounded(queues.jobs.getJobState(jobId), 'the queue'))
}

/** Replaces an entry that ended although its job did not. */
export async function enqueueAgain(deps: QueueDeps, job: Waiting): Promise<void> {
  await removeEntry(deps.queues.jobs, job.id)
  await enqueueJob(deps, job)
}

/** Takes a waiting entry out of the queue; one that a worker holds stays. */
export async function dequeueJob({ queues }: QueueDeps, jobId: string): Promise<void> {
  await removeEntry(queues.jobs, jobId).catch(() => {})
}

async function removeEntry(queue: Queue, jobId: string): Promise<void> {
  await bounded(queue.remove(jobId), 'the queue')
}
