/** A worker that shuts down gives its job back: queued again, and no attempt counts as lost. */
import type { Deps } from '../../deps.ts'
import type { JobChange } from '../record/change-job.ts'
import type { JobRecord } from '../record/job.ts'
import { canceled } from '../record/transitions.ts'
import { changeAttempt } from './attempt.ts'
import type { Claim } from './claim-job.ts'

/** True when the job waits for another worker now. */
export async function releaseJob(deps: Deps, claim: Claim): Promise<boolean> {
  const job = await changeAttempt(deps, claim, (record) =>
    record.status === 'canceling' ? canceled() : queuedAgain(record),
  )
  return job.status === 'queued'
}

function queuedAgain({ attempt }: JobRecord): JobChange {
  const data = { status: 'queued', attempt, reason: 'the worker shut down' }
  const patch = { status: 'queued' as const, phase: null, progress: null, queued_at: new Date().toISOString() }
  return { patch, event: { type: 'job.retrying', data } }
}
