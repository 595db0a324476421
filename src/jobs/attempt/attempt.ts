/** Writes of an attempt: they happen only while it is the latest one and the job is unfinished. */
import type { Deps } from '../../deps.ts'
import { changeJob, type JobChange } from '../record/change-job.ts'
import { isTerminal, type JobRecord } from '../record/job.ts'
import type { Claim } from './claim-job.ts'

type AttemptDeps = Pick<Deps, 'config' | 'redis' | 'metrics'>

export const holds = ({ attempt }: Claim, job: JobRecord): boolean => !isTerminal(job.status) && job.attempt === attempt

/** Resolves to the job; `holds` tells whether the attempt still had it. */
export async function changeAttempt(
  deps: AttemptDeps,
  claim: Claim,
  decide: (job: JobRecord) => JobChange | null,
): Promise<JobRecord> {
  return changeJob(deps, claim.jobId, ({ record }) => (holds(claim, record) ? decide(record) : null))
}
