/** Guards what unfinished jobs need against deletion. */
import type { Deps } from '../deps.ts'
import { FewbitError } from '../shared/errors.ts'
import { type JobQuery, listJobs } from './list-jobs.ts'
import { isTerminal, JOB_STATUSES } from './record/job.ts'

/** Throws in_use when a job that is not finished matches `needs`. */
export async function refuseInUse(
  deps: Deps,
  owner: string,
  needs: Pick<JobQuery, 'model_id' | 'dataset_id'>,
): Promise<void> {
  for (const status of JOB_STATUSES.filter((name) => !isTerminal(name))) {
    const { data } = await listJobs(deps, owner, { status, ...needs, limit: 1 })
    const job = data[0]
    if (job) throw new FewbitError('in_use', `job ${job.id} is ${job.status} and needs it`)
  }
}
