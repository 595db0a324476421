/** Puts a job's id, a comparison or a webhook delivery on its queue: once per id, within 2 s. */
import type { Queue } from 'bullmq'
import type { Deps } from '../deps.ts'
import { traced } from '../telemetry/tracing.ts'
import { bounded } from './connection.ts'
import { type ComparisonTicket, type Delivery, type JobTicket, type Notice, QUEUE_NAMES, RETENTION } from './queues.ts'

type QueueDeps = Pick<Deps, 'queues'>
type JobQueueDeps = Pick<Deps, 'queues' | 'tracing' | 'correlation'>

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
export async function enqueueJob(deps: JobQueueDeps, { id, priority }: Waiting): Promise<void> {
  const options = { jobId: id, priority: PRIORITIES[priority ?? 'normal'] }
  await sending(deps, (ticketOf) => deps.queues.jobs.add('quantize', ticketOf(id), options))
}

/** Puts jobs on their queue in a span, of which their tickets tell whoever takes them. */
async function sending(
  { tracing, correlation }: JobQueueDeps,
  add: (ticketOf: (jobId: string) => JobTicket) => Promise<unknown>,
): Promise<void> {
  await traced(tracing, 'enqueue', { kind: 'producer', parent: correlation?.traceparent }, ({ traceparent }) => {
    const own = correlation && { ...correlation, traceparent }
    return bounded(
      add((jobId) => ({ jobId, ...(own && { correlation: own }) })),
      'the queue',
    )
  })
}

/** Throws unavailable. The jobs, and behind them all the comparison, as one flow; `round` counts the flows of a comparison. */
export async function enqueueComparison(
  deps: JobQueueDeps,
  { id, round, jobs }: { id: string; round: number; jobs: readonly Waiting[] },
): Promise<void> {
  const childrenFor = (ticketOf: (jobId: string) => JobTicket) =>
    jobs.map((job) => ({
      name: 'quantize',
      queueName: QUEUE_NAMES.jobs,
      data: ticketOf(job.id),
      opts: {
        ...RETENTION,
        jobId: job.id,
        priority: PRIORITIES[job.priority ?? 'normal'],
        removeDependencyOnFailure: true,
      },
    }))
  const data: ComparisonTicket = { comparisonId: id }
  const opts = { ...RETENTION, jobId: `${id}-${round}` }
  const flow = { name: 'compare', queueName: QUEUE_NAMES.comparisons, data, opts }
  await sending(deps, (ticketOf) => deps.queues.flows.add({ ...flow, children: childrenFor(ticketOf) }))
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
export async function enqueueAgain(deps: JobQueueDeps, job: Waiting): Promise<void> {
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
