/** Starts the jobs of rows: each is recorded, then all go on the queue as one flow, with the comparison behind them. */
import { createHash } from 'node:crypto'
import type { Deps } from '../deps.ts'
import { createJob } from '../jobs/create/create-job.ts'
import { loadJobs } from '../jobs/record/load-job.ts'
import { enqueueComparison } from '../queue/enqueue.ts'
import { FewbitError, messageOf } from '../shared/errors.ts'
import { idAt, timeOfId } from '../shared/ids.ts'
import { changeComparison } from './change-comparison.ts'
import type { ComparisonRecord, RowOrder } from './comparison.ts'
import { requestOf } from './plan-rows.ts'

/** Follows from comparison, row and round, so that a start which was interrupted can be repeated and makes nothing twice. */
export function rowJobId(id: string, row: number, round: number): string {
  const digest = createHash('sha256').update(`${id} ${row} ${round}`).digest()
  return idAt('job', round === 0 ? timeOfId(id).getTime() : Date.now(), digest)
}

/** Makes the jobs that are not there yet; one that is refused is a row that failed. A queue that fails does not matter: the reconciler repeats it. */
export async function startRows(deps: Deps, record: ComparisonRecord): Promise<ComparisonRecord> {
  const ids = record.rows.map(({ job_id }) => job_id)
  const there = await loadJobs(deps, ids)
  const isMissing = (row: RowOrder, i: number) => !row.error && !row.told && !there[i]
  const missing = record.rows.filter(isMissing)
  if (missing.length === 0) return record
  const refused = new Map<string, RowOrder['error']>()
  for (const row of missing) {
    const error = await startRow(deps, record, row)
    if (error) refused.set(row.job_id, error)
  }
  const jobs = missing.flatMap(({ job_id: id }) => (refused.has(id) ? [] : [{ id, priority: record.shared.priority }]))
  await enqueueComparison(deps, { id: record.id, round: record.round, jobs }).catch((error) =>
    deps.log.warn({ comparison_id: record.id, reason: messageOf(error) }, 'accepted, to be queued by the reconciler'),
  )
  return refused.size === 0 ? record : noteRefused(deps, record.id, refused)
}

/** Null when there is a job. Throws what is no fault of the row. */
async function startRow(deps: Deps, record: ComparisonRecord, row: RowOrder): Promise<RowOrder['error']> {
  const { id, owner } = record
  const request = { ...requestOf(record, row), metadata: {} }
  try {
    await createJob(deps, owner, request, { dryRun: false, id: row.job_id, comparisonId: id })
    return null
  } catch (error) {
    if (!(error instanceof FewbitError) || error.status >= 500) throw error
    // two processes may start the same row
    if ((await loadJobs(deps, [row.job_id]))[0]) return null
    return { code: error.code, detail: error.detail, hint: error.hint ?? null }
  }
}

const noteRefused = (deps: Deps, id: string, refused: ReadonlyMap<string, RowOrder['error']>) =>
  changeComparison(deps, id, ({ rows }) => ({
    patch: { rows: rows.map((row) => ({ ...row, error: refused.get(row.job_id) ?? row.error })) },
  }))
