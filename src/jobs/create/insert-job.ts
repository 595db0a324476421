/** Accepts a job: the record and its first event are written, then its id goes on the queue. */
import { datasetKey } from '../../datasets/keys.ts'
import type { Deps } from '../../deps.ts'
import { modelKey } from '../../models/keys.ts'
import { requireRoom } from '../../owners/reserve-bytes.ts'
import { enqueueJob } from '../../queue/enqueue.ts'
import { FewbitError, messageOf } from '../../shared/errors.ts'
import { isId } from '../../shared/ids.ts'
import { needsOf } from '../record/indexes.ts'
import type { JobRecord } from '../record/job.ts'
import { workKey } from '../record/keys.ts'
import { loadJob } from '../record/load-job.ts'
import { writeNewJob } from '../record/write-job.ts'
import { workOf } from './work.ts'

/**
 * Throws unavailable when the record could not be written, too_many_jobs, stored_bytes_exceeded, and invalid_request when what the job needs was deleted a moment
 * ago: both are looked at in the write itself. A queue that fails does not matter: the reconciler repeats it.
 */
export async function insertJob(
  deps: Deps,
  job: JobRecord,
  { deduplicate, isQueuedLater }: { deduplicate: boolean; isQueuedLater: boolean },
): Promise<JobRecord> {
  await requireRoom(deps, job.owner)
  const admitted = await admit(deps, job, deduplicate)
  if (admitted !== job) return admitted
  deps.log.info({ job_id: job.id }, 'job accepted')
  if (isQueuedLater) return job
  await enqueueJob(deps, job).catch((error) =>
    deps.log.warn({ job_id: job.id, reason: messageOf(error) }, 'accepted, to be queued by the reconciler'),
  )
  return job
}

/** This job, or the unfinished one that does the same work. One that is being canceled does it no more. */
async function admit(deps: Deps, job: JobRecord, deduplicate: boolean): Promise<JobRecord> {
  const needs = needsOf(job.request)
  const required = needs.map(({ id }) => (isId('mdl', id) ? modelKey(deps, id) : datasetKey(deps, id)))
  const work = workKey(deps, job.owner, workOf(job))
  const admission = { required, maxUnfinished: deps.config.MAX_QUEUED_JOBS, work, deduplicate }
  const write = { record: job, before: null, event: { type: 'job.queued', data: { status: 'queued' } } } as const
  const admitted = await writeNewJob(deps, write, admission)
  if (admitted.written) return job
  if (admitted.twin === undefined) throw refusalOf(deps, needs[required.indexOf(admitted.missing ?? '')])
  const twin = (await loadJob(deps, admitted.twin))?.record
  return twin && (twin.status === 'queued' || twin.status === 'running') ? twin : admit(deps, job, false)
}

function refusalOf({ config }: Deps, gone: { id: string; pointer: string } | undefined): FewbitError {
  if (!gone) return new FewbitError('too_many_jobs', `at most ${config.MAX_QUEUED_JOBS} jobs may be unfinished`)
  const detail = `${gone.id} was deleted at the same moment`
  return new FewbitError('invalid_request', detail, {
    errors: [{ pointer: gone.pointer, code: 'not_found', detail }],
  })
}
