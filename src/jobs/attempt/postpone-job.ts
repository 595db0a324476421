/** A fault of the machine ends an attempt, and not the job: it waits for another attempt while its limits allow. */
import type { Deps } from '../../deps.ts'
import type { FewbitError } from '../../shared/errors.ts'
import { changeJob, type JobChange } from '../record/change-job.ts'
import type { JobRecord } from '../record/job.ts'
import type { StoredJob } from '../record/load-job.ts'
import { canceled, failed } from '../record/transitions.ts'
import { holds } from './attempt.ts'
import type { Claim } from './claim-job.ts'
import { delayAfter, mostAttempts } from './machine-faults.ts'

/**
 * Milliseconds after which the job shall be tried again, or null when it is over: canceled, failed with the fault because its time to
 * wait or its attempts are used up, or in other hands. The wait counts from the first fault on.
 */
export async function postponeJob(deps: Deps, claim: Claim, fault: FewbitError): Promise<number | null> {
  let delay = 0
  const job = await changeJob(deps, claim.jobId, (stored) => {
    if (!holds(claim, stored.record)) return null
    delay = delayAfter(stored.faults)
    return decide(stored, fault, delay)
  })
  return job.status === 'queued' && job.attempt === claim.attempt ? delay : null
}

function decide(stored: StoredJob, fault: FewbitError, delay: number): JobChange {
  if (stored.record.status === 'canceling') return canceled()
  const queued_at = stored.faults === 0 ? new Date().toISOString() : stored.record.queued_at
  const again = Date.now() + delay
  const late = Date.parse(queued_at) + stored.record.limits.max_queue_seconds * 1000
  const isOver = stored.faults + 1 >= mostAttempts(fault.code) || again > late
  return isOver ? { ...failed(fault), counts: 'faults' } : waiting(stored.record, fault, { queued_at, again })
}

function waiting(
  { attempt }: JobRecord,
  { code, message }: FewbitError,
  { queued_at, again }: { queued_at: string; again: number },
): JobChange {
  const data = { status: 'queued', attempt, code, reason: message, next_attempt_at: new Date(again).toISOString() }
  return {
    patch: { status: 'queued', phase: null, progress: null, queued_at },
    event: { type: 'job.retrying', data },
    counts: 'faults',
  }
}
