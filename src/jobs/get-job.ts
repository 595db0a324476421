/** Reads one job of an owner. */
import type { Deps } from '../deps.ts'
import { FewbitError } from '../shared/errors.ts'
import type { JobRecord } from './record/job.ts'
import { type JobText, loadJob, loadJobText } from './record/load-job.ts'

/** Throws not_found, for another owner's job too. */
export async function getJob(deps: Deps, owner: string, id: string): Promise<JobRecord> {
  const job = await loadJob(deps, id)
  if (job?.record.owner !== owner) throw new FewbitError('not_found', `no job ${id}`)
  return job.record
}

/** The same as JSON for an answer, not decoded. Throws not_found. */
export async function getJobText(deps: Deps, owner: string, id: string): Promise<JobText> {
  const job = await loadJobText(deps, id)
  if (job?.owner !== owner) throw new FewbitError('not_found', `no job ${id}`)
  return job
}
