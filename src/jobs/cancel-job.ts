/** Cancels a job: at once while it waits, through its worker while it runs. */
import type { Deps } from '../deps.ts'
import { dequeueJob } from '../queue/enqueue.ts'
import { FewbitError } from '../shared/errors.ts'
import { dropCheckpoint } from './attempt/keep-checkpoint.ts'
import { getJob } from './get-job.ts'
import type { JobChange } from './record/change-job.ts'
import { changeJob } from './record/change-job.ts'
import type { JobRecord, JobStatus } from './record/job.ts'
import { canceled } from './record/transitions.ts'

const BY_STATUS: Record<JobStatus, (job: JobRecord) => JobChange | null> = {
  queued: canceled,
  running: () => ({ patch: { status: 'canceling' }, event: { type: 'job.canceling', data: { status: 'canceling' } } }),
  canceling: () => null,
  canceled: () => null,
  succeeded: refuse,
  failed: refuse,
  expired: refuse,
}

/** Throws not_found, job_already_finished, and what `check` throws of the job as it is when it would be canceled. */
export async function cancelJob(
  deps: Deps,
  owner: string,
  id: string,
  check: (job: JobRecord) => void = () => {},
): Promise<JobRecord> {
  await getJob(deps, owner, id)
  const job = await changeJob(deps, id, ({ record }) => {
    check(record)
    return BY_STATUS[record.status](record)
  })
  if (job.status === 'canceled') {
    await dequeueJob(deps, id)
    await dropCheckpoint(deps, id)
  }
  return job
}

function refuse({ id, status }: JobRecord): never {
  throw new FewbitError('job_already_finished', `job ${id} has already ${status}`)
}
