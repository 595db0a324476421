/** Reads a job, decides, writes; and begins again when another process wrote in between. */
import type { Deps } from '../../deps.ts'
import { FewbitError } from '../../shared/errors.ts'
import type { JobRecord } from './job.ts'
import { loadJob, type StoredJob } from './load-job.ts'
import { type JobWrite, writeJob } from './write-job.ts'

export interface JobChange extends Omit<JobWrite, 'record' | 'before'> {
  patch: Partial<JobRecord>
}

type ChangeDeps = Pick<Deps, 'config' | 'redis' | 'metrics'>

const MAX_TRIES = 50

/** `decide` returns the change, null for none, or throws. Resolves to the job as it is then. Throws not_found. */
export async function changeJob(
  deps: ChangeDeps,
  id: string,
  decide: (job: StoredJob) => JobChange | null,
): Promise<JobRecord> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const job = await loadJob(deps, id)
    if (!job) throw new FewbitError('not_found', `no job ${id}`)
    const change = decide(job)
    if (!change) return job.record
    const { patch, ...rest } = change
    const record = { ...job.record, ...patch, version: job.record.version + 1 }
    if (await writeJob(deps, { ...rest, record, before: job.record })) return record
  }
  throw new FewbitError('unavailable', `job ${id} is being changed too often`)
}
