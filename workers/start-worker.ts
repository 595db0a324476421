/** The BullMQ worker: takes job ids from the queue, runs them in runner processes, gives them back when it must stop. */
import { setTimeout as delay } from 'node:timers/promises'
import { DelayedError, type Job, WaitingError, Worker } from 'bullmq'
import { reconcileComparisons } from '../src/comparisons/reconcile-comparisons.ts'
import { settleComparison } from '../src/comparisons/settle-comparison.ts'
import type { Deps } from '../src/deps.ts'
import { reconcileJobs } from '../src/jobs/reconcile-jobs.ts'
import { isThere, patientOptions } from '../src/queue/connection.ts'
import { type ComparisonTicket, type JobTicket, lockOf, QUEUE_NAMES, queuePrefix } from '../src/queue/queues.ts'
import { messageOf } from '../src/shared/errors.ts'
import { every, repeat } from '../src/shared/repeat.ts'
import { type RunnerHost, runJob } from './attempt/run-job.ts'
import type { StopReason } from './attempt/stop-signal.ts'

export interface WorkerTiming {
  reconcileMs: number
  /** how long running jobs may go on when the worker is told to stop */
  graceMs: number
}

export interface RunningWorker {
  close(): Promise<void>
}

const TIMING: WorkerTiming = { reconcileMs: 5_000, graceMs: 3_000 }

const reason = (why: StopReason): StopReason => why

export function startWorker(deps: Deps, host: RunnerHost, timing: WorkerTiming = TIMING): RunningWorker {
  const worker = new Worker<JobTicket>(
    QUEUE_NAMES.jobs,
    (entry, token, signal) => process(deps, host, entry, token, signal),
    {
      connection: { ...patientOptions(deps.config.REDIS_URL!) },
      prefix: queuePrefix(deps.config),
      concurrency: deps.config.WORKER_CONCURRENCY,
      ...lockOf(deps.config),
      // How often a worker may die under a job is counted in the record.
      maxStalledCount: 1_000_000,
    },
  )
  worker.on('error', (error) => deps.log.warn({ reason: error.message }, 'queue'))
  worker.on('lockRenewalFailed', (ids) => {
    for (const id of ids) worker.cancelJob(id, reason('lost'))
  })
  const comparisons = new Worker<ComparisonTicket>(
    QUEUE_NAMES.comparisons,
    (entry) => settleComparison(deps, entry.data.comparisonId),
    {
      connection: { ...patientOptions(deps.config.REDIS_URL!) },
      prefix: queuePrefix(deps.config),
      ...lockOf(deps.config),
    },
  )
  comparisons.on('error', (error) => deps.log.warn({ reason: error.message }, 'queue'))
  const stopReconciling = repeat(() => reconcile(deps), every(timing.reconcileMs))
  return {
    async close() {
      await stopReconciling()
      if (!(await isThere(deps.redis))) return abandon(worker, comparisons)
      await comparisons.close()
      await worker.pause(true)
      const finished = worker.close()
      await Promise.race([finished, delay(timing.graceMs, undefined, { ref: false })])
      worker.cancelAllJobs(reason('shutdown'))
      await finished
    },
  }
}

/** Without Redis no job can be given back, and a polite end would wait until Redis is back. */
async function abandon(...workers: Worker[]): Promise<void> {
  for (const worker of workers) worker.cancelAllJobs(reason('shutdown'))
  await Promise.all(workers.map((worker) => worker.close(true)))
}

async function process(
  deps: Deps,
  host: RunnerHost,
  entry: Job<JobTicket>,
  token = '',
  signal?: AbortSignal,
): Promise<void> {
  const { jobId, correlation } = entry.data
  const settled = await runJob({ ...deps, correlation }, host, jobId, signal ?? new AbortController().signal)
  if (settled === 'done') return
  if (settled.againAfterMs > 0) {
    await entry.moveToDelayed(Date.now() + settled.againAfterMs, token)
    throw new DelayedError()
  }
  await entry.moveToWait(token)
  throw new WaitingError()
}

async function reconcile(deps: Deps): Promise<void> {
  for (const each of [reconcileJobs, reconcileComparisons])
    await each(deps).catch((error) => deps.log.warn({ reason: messageOf(error) }, 'reconcile'))
}
