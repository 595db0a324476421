/** Reads job records, whoever owns them. */
import type { Deps } from '../../deps.ts'
import { isId } from '../../shared/ids.ts'
import type { JobRecord } from './job.ts'
import { jobKey } from './keys.ts'
import { type JobState, RECORD_FIELDS, recordFrom, VIEW_FIELDS, viewTextFrom } from './parts.ts'
import { linksOf } from './view-job.ts'

export interface StoredJob {
  record: JobRecord
  /** attempts whose worker died */
  lostAttempts: number
  /** attempts that a fault of their machine ended */
  faults: number
}

/** A job as JSON for the outside, and what must be known of it besides. */
export interface JobText {
  owner: string
  version: number
  text: string
}

type LoadDeps = Pick<Deps, 'config' | 'redis'>

export async function loadJob(deps: LoadDeps, id: string): Promise<StoredJob | null> {
  if (!isId('job', id)) return null
  const [lost, faults, ...fields] = await deps.redis.hmget(
    jobKey(deps, id),
    'lost_attempts',
    'faults',
    ...RECORD_FIELDS,
  )
  const record = recordFrom(fields)
  return record && { record, lostAttempts: Number(lost ?? 0), faults: Number(faults ?? 0) }
}

export async function loadJobText(deps: LoadDeps, id: string): Promise<JobText | null> {
  if (!isId('job', id)) return null
  const [owner, version, ...parts] = await deps.redis.hmget(jobKey(deps, id), 'owner', 'version', ...VIEW_FIELDS)
  const text = viewTextFrom(parts, linksOf(id))
  return owner && text ? { owner, version: Number(version), text } : null
}

/** In the order of the ids; ids without a record are left out. */
export async function loadJobTexts(deps: LoadDeps, ids: readonly string[]): Promise<{ id: string; text: string }[]> {
  const parts = await Promise.all(ids.map((id) => deps.redis.hmget(jobKey(deps, id), ...VIEW_FIELDS)))
  return ids.flatMap((id, i) => {
    const text = viewTextFrom(parts[i]!, linksOf(id))
    return text ? [{ id, text }] : []
  })
}

/** Whole records in the order of the ids; null where there is none. */
export async function loadJobs(deps: LoadDeps, ids: readonly string[]): Promise<(JobRecord | null)[]> {
  const fields = await Promise.all(ids.map((id) => deps.redis.hmget(jobKey(deps, id), ...RECORD_FIELDS)))
  return fields.map(recordFrom)
}

/** Status, times and limits only; ids without a record are left out. */
export async function loadJobStates(deps: LoadDeps, ids: readonly string[]): Promise<(JobState & { id: string })[]> {
  const texts = await Promise.all(ids.map((id) => deps.redis.hget(jobKey(deps, id), 'state')))
  return ids.flatMap((id, i) => (texts[i] ? [{ id, ...(JSON.parse(texts[i]) as JobState) }] : []))
}
