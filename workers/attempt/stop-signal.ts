/** Tells a running attempt to stop: its job is being canceled, another attempt has it, or the worker was told to. */
import type { Deps } from '../../src/deps.ts'
import { holds } from '../../src/jobs/attempt/attempt.ts'
import type { Claim } from '../../src/jobs/attempt/claim-job.ts'
import { loadJob } from '../../src/jobs/record/load-job.ts'

export type StopReason = 'canceled' | 'lost' | 'shutdown'

export interface StopSignal {
  signal: AbortSignal
  close(): void
}

const POLL_MS = 1000

/** Woken by changes of the job, and looks each second besides. `outer` aborts with a StopReason. */
export function openStopSignal(deps: Deps, claim: Claim, outer: AbortSignal): StopSignal {
  const stop = new AbortController()
  const done = new AbortController()
  const pass = () => stop.abort(outer.reason)
  if (outer.aborted) pass()
  outer.addEventListener('abort', pass, { once: true })
  void watch(deps, claim, stop, done.signal)
  return {
    signal: stop.signal,
    close() {
      done.abort()
      outer.removeEventListener('abort', pass)
    },
  }
}

async function watch(deps: Deps, claim: Claim, stop: AbortController, done: AbortSignal): Promise<void> {
  const watch = deps.queues.changes.watch(claim.jobId)
  while (!done.aborted && !stop.signal.aborted) {
    const reason = await reasonToStop(deps, claim)
    if (reason) stop.abort(reason)
    else await watch.next(POLL_MS, done)
  }
  watch.close()
}

/** While Redis is away nobody else can take the job either. */
async function reasonToStop(deps: Deps, claim: Claim): Promise<StopReason | null> {
  const job = await loadJob(deps, claim.jobId).catch(() => undefined)
  if (job === undefined) return null
  if (!job || !holds(claim, job.record)) return 'lost'
  return job.record.status === 'canceling' ? 'canceled' : null
}
