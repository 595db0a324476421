/** Lists an owner's jobs, newest first, in pages. */
import type { Deps } from '../deps.ts'
import { nameOf } from '../engine/targets/index.ts'
import { FewbitError } from '../shared/errors.ts'
import { isId } from '../shared/ids.ts'
import type { JobRecord, JobStatus } from './record/job.ts'
import { ownedKey } from './record/keys.ts'
import { loadJobs } from './record/load-job.ts'

export interface JobQuery {
  status?: JobStatus | undefined
  model_id?: string | undefined
  /** calibrates or judges with it */
  dataset_id?: string | undefined
  target?: string | undefined
  method?: string | undefined
  /** RFC 3339 */
  created_after?: string | undefined
  limit: number
  /** `next_cursor` of the page before */
  after?: string | undefined
}

export interface JobPage {
  data: JobRecord[]
  has_more: boolean
  next_cursor: string | null
}

const BATCH = 100
/** base64url of an id */
export const JOB_CURSOR = /^[\w-]{40}$/

const FILTERS: ((query: JobQuery, job: JobRecord) => boolean)[] = [
  ({ status }, job) => status === undefined || job.status === status,
  ({ model_id }, job) => model_id === undefined || job.request.model_id === model_id,
  ({ dataset_id }, { request }) =>
    dataset_id === undefined ||
    request.calibration?.dataset_id === dataset_id ||
    request.training?.dataset_id === dataset_id ||
    request.evaluation?.dataset_id === dataset_id,
  ({ target }, job) => target === undefined || nameOf(job.request.target) === target,
  ({ method }, job) => method === undefined || job.request.method.type === method,
  ({ created_after }, job) => created_after === undefined || Date.parse(job.created_at) > Date.parse(created_after),
]

/** Throws invalid_request for a cursor that is none. */
export async function listJobs(deps: Deps, owner: string, query: JobQuery): Promise<JobPage> {
  const found: JobRecord[] = []
  for await (const job of newestFirst(deps, owner, query.after)) {
    if (FILTERS.every((matches) => matches(query, job))) found.push(job)
    if (found.length > query.limit) break
  }
  const has_more = found.length > query.limit
  const data = found.slice(0, query.limit)
  return { data, has_more, next_cursor: has_more ? encode(data.at(-1)!.id) : null }
}

async function* newestFirst(deps: Deps, owner: string, after: string | undefined): AsyncGenerator<JobRecord> {
  let end = after === undefined ? '+' : `(${decode(after)}`
  for (;;) {
    const ids = await deps.redis.zrevrangebylex(ownedKey(deps, owner), end, '-', 'LIMIT', 0, BATCH)
    yield* await loadJobs(deps, ids)
    if (ids.length < BATCH) return
    end = `(${ids.at(-1)}`
  }
}

const encode = (id: string): string => Buffer.from(id).toString('base64url')

function decode(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString()
  if (!isId('job', id)) throw new FewbitError('invalid_request', 'not a cursor of this list', { param: '/after' })
  return id
}
