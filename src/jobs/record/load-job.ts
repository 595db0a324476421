/** Reads job records, whoever owns them. */
import type { Deps } from '../../deps.ts'
import { isId } from '../../shared/ids.ts'
import { JobRecord } from './job.ts'
import { jobKey } from './keys.ts'

export interface StoredJob {
  record: JobRecord
  /** attempts whose worker died */
  lostAttempts: number
}

type LoadDeps = Pick<Deps, 'config' | 'redis'>

export async function loadJob(deps: LoadDeps, id: string): Promise<StoredJob | null> {
  if (!isId('job', id)) return null
  const [json, lost] = await deps.redis.hmget(jobKey(deps, id), 'json', 'lost_attempts')
  return json ? { record: JobRecord.parse(JSON.parse(json)), lostAttempts: Number(lost ?? 0) } : null
}

/** In the order of the ids; ids without a record are left out. */
export async function loadJobs(deps: LoadDeps, ids: readonly string[]): Promise<JobRecord[]> {
  const jobs = await Promise.all(ids.map((id) => loadJob(deps, id)))
  return jobs.flatMap((job) => (job ? [job.record] : []))
}
