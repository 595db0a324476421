/** What the rows of a comparison have reached, from the records and artifacts of their jobs. */
import { SCORES_FILE } from '../contract/runner-protocol.ts'
import type { Deps } from '../deps.ts'
import type { Candidate } from '../engine/compare/candidate.ts'
import { failed, floatFacts, succeeded, waiting } from '../engine/compare/facts.ts'
import type { Entry, Facts } from '../engine/compare/rules/table.ts'
import type { JobRecord, JobStatus } from '../jobs/record/job.ts'
import { loadJobs } from '../jobs/record/load-job.ts'
import { messageOf } from '../shared/errors.ts'
import type { ComparisonRecord, RowOrder } from './comparison.ts'
import { readScores } from './scores.ts'

/** One for each row of the record, and the float model before them, as the first of the jobs measured it. */
export async function readRows(deps: Deps, record: ComparisonRecord): Promise<Entry[]> {
  const jobs = await loadJobs(
    deps,
    record.rows.map(({ job_id }) => job_id),
  )
  const rows = await Promise.all(record.rows.map((row, i) => entryOf(deps, record, row, i, jobs[i] ?? null)))
  const measured = jobs.flatMap((job) => (job?.metrics ? [{ metrics: job.metrics }] : []))
  const float = measured.length > 0 ? floatFacts(measured) : (record.table?.rows[0] ?? floatFacts([]))
  return [{ facts: float, scores: null }, ...rows]
}

async function entryOf(
  deps: Deps,
  record: ComparisonRecord,
  row: RowOrder,
  index: number,
  job: JobRecord | null,
): Promise<Entry> {
  const candidate = candidateOf(record, row)
  if (row.error) return { facts: failed(candidate, errorOf(row.error), null), scores: null }
  if (!job) return { facts: missing(record, row, candidate, record.table?.rows[index + 1]), scores: null }
  const facts = FACTS[job.status](candidate, job)
  const isCompared = facts.status === 'succeeded'
  return { facts, scores: isCompared ? await scoresOf(deps, job) : null }
}

const candidateOf = ({ targets }: ComparisonRecord, { name, target, method }: RowOrder): Candidate => ({
  name,
  target: targets[target]!,
  method,
})

const withStatus = (status: Facts['status']) => (candidate: Candidate, job: JobRecord) => ({
  ...waiting(candidate),
  status,
  cost: job.cost,
})

const FACTS: Record<JobStatus, (candidate: Candidate, job: JobRecord) => Facts> = {
  queued: withStatus('queued'),
  running: withStatus('running'),
  canceling: withStatus('running'),
  canceled: withStatus('canceled'),
  succeeded: (candidate, { metrics, warnings, cost, ...job }) =>
    metrics
      ? succeeded(candidate, { metrics, warnings }, cost)
      : withStatus('failed')(candidate, { ...job, cost } as JobRecord),
  failed: refused,
  expired: refused,
}

function refused(candidate: Candidate, { error, cost }: JobRecord): Facts {
  return error ? failed(candidate, errorOf(error), cost) : { ...waiting(candidate), status: 'failed', cost }
}

const errorOf = ({ hint, ...error }: { code: JobErrorCode; detail: string; hint: string | null }) => ({
  ...error,
  hint: hint ?? undefined,
})
type JobErrorCode = NonNullable<RowOrder['error']>['code']

/** A job that is not there yet, or was deleted; what its row had reached stays. */
function missing(
  { created_at }: ComparisonRecord,
  { told }: RowOrder,
  candidate: Candidate,
  before: Facts | undefined,
): Facts {
  if (told && before) return before
  if (Date.now() - Date.parse(created_at) < BEING_MADE_MS) return waiting(candidate)
  return failed(candidate, { code: 'not_found', detail: 'the job of this row was deleted', hint: undefined }, null)
}

/** jobs of a comparison are made a moment after it, by another process where the first one died */
const BEING_MADE_MS = 60_000

async function scoresOf(deps: Deps, job: JobRecord): Promise<Entry['scores']> {
  const file = job.artifacts.find(({ name }) => name === SCORES_FILE)
  if (!file) return null
  return readScores(deps.store, file).catch((error) => {
    deps.log.warn({ job_id: job.id, reason: messageOf(error) }, 'scores of samples cannot be read')
    return null
  })
}
