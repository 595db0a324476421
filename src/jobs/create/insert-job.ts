/** Accepts a job: the record and its first event are written, then its id goes on the queue. */
import type { Deps } from '../../deps.ts'
import { enqueueJob } from '../../queue/enqueue.ts'
import { FewbitError, messageOf } from '../../shared/errors.ts'
import type { JobRecord } from '../record/job.ts'
import { writeJob } from '../record/write-job.ts'

/** Throws unavailable when the record could not be written. A queue that fails does not matter: the reconciler repeats it. */
export async function insertJob(deps: Deps, job: JobRecord): Promise<JobRecord> {
  const record = { ...job, version: Math.max(job.version, 1) }
  const written = await writeJob(deps, {
    record,
    expected: 0,
    event: { type: 'job.queued', data: { status: 'queued' } },
  })
  if (!written) throw new FewbitError('internal', `job ${job.id} exists already`)
  await enqueueJob(deps, job.id).catch((error) =>
    deps.log.warn({ job: job.id, reason: messageOf(error) }, 'accepted, to be queued by the reconciler'),
  )
  return record
}
