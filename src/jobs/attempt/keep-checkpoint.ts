/** The state of a training in the store: one per job, replaced by the next, gone or an artifact when the job is over. */
import type { Deps } from '../../deps.ts'
import { release } from '../../storage/refs.ts'
import { changeJob } from '../record/change-job.ts'
import { type Checkpoint, isTerminal } from '../record/job.ts'
import { loadJob } from '../record/load-job.ts'
import { changeAttempt } from './attempt.ts'
import type { Claim } from './claim-job.ts'

export const checkpointRef = (jobId: string): string => `checkpoint:${jobId}`

/** Records a stored checkpoint, whose reference is held already; the one before is let go. */
export async function keepCheckpoint(deps: Deps, claim: Claim, checkpoint: Checkpoint): Promise<void> {
  let before: Checkpoint | null = null
  const job = await changeAttempt(deps, claim, (record) => {
    before = record.checkpoint
    return { patch: { checkpoint } }
  })
  const kept = job.checkpoint?.sha256 === checkpoint.sha256
  const left = kept ? (before as Checkpoint | null) : checkpoint
  if (left && left.sha256 !== job.checkpoint?.sha256) await release(deps, left.sha256, checkpointRef(claim.jobId))
}

/** Lets the checkpoint of a job go that is over. */
export async function dropCheckpoint(deps: Deps, jobId: string): Promise<void> {
  const found = await loadJob(deps, jobId)
  if (!found?.record.checkpoint || !isTerminal(found.record.status)) return
  const { sha256 } = found.record.checkpoint
  await changeJob(deps, jobId, ({ record }) => (record.checkpoint ? { patch: { checkpoint: null } } : null))
  await release(deps, sha256, checkpointRef(jobId))
}
