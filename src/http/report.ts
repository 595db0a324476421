/** Finds the report among a job's artifacts, in the format that the client prefers. */

import type { Deps } from '../deps.ts'
import { isTerminal, type JobRecord } from '../jobs/record/job.ts'
import { FewbitError } from '../shared/errors.ts'
import type { Content } from '../storage/content.ts'
import { negotiate } from './accept.ts'

const PAGE = 'report.html'
const DATA = 'report.json'

/** Throws job_not_finished, not_acceptable, or not_found when the job ended without one. */
export function findReport(deps: Deps, job: JobRecord, accept?: string): Content {
  if (!isTerminal(job.status)) throw new FewbitError('job_not_finished', `job ${job.id} is ${job.status}`)
  const artifact = (name: string) => job.artifacts.find((one) => one.name === name)
  const format = negotiate(accept, artifact(PAGE) ? ['application/json', 'text/html'] : ['application/json'])
  const found = artifact(format === 'text/html' ? PAGE : DATA)
  if (!found) throw new FewbitError('not_found', `job ${job.id} is ${job.status} and has no report`)
  return {
    sha256: found.sha256,
    size: found.size_bytes,
    filename: found.name,
    contentType: found.content_type,
    open: (range) => deps.store.get(found.sha256, range),
  }
}
