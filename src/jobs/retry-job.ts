/** Repeats the request of a job that is over, as a new job. */
import type { Deps } from '../deps.ts'
import { FewbitError } from '../shared/errors.ts'
import { createJob } from './create/create-job.ts'
import { getJob } from './get-job.ts'
import { isTerminal, type JobRecord, JobRequest } from './record/job.ts'

/** `newId`: of the new job. Throws not_found, job_not_finished, and what making a job throws: models and data sets may be gone. */
export async function retryJob(deps: Deps, owner: string, id: string, newId: string): Promise<JobRecord> {
  const { status, request: sent, webhook_secret: secret } = await getJob(deps, owner, id)
  if (!isTerminal(status)) throw new FewbitError('job_not_finished', `job ${id} is ${status}; cancel it first`)
  const { webhook, ...request } = JobRequest.parse(sent)
  const again = { ...request, ...(webhook && { webhook: { ...webhook, ...(secret && { secret }) } }) }
  return createJob(deps, owner, again, { dryRun: false, id: newId, sent, retryOf: id })
}
