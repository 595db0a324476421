/** A comparison as the outside sees it: the table so far, and how far the jobs of its rows are. */
import type { Comparison } from '../contract/comparison.ts'
import type { Deps } from '../deps.ts'
import { floatFacts, waiting } from '../engine/compare/facts.ts'
import { tableOf } from '../engine/compare/rules/table.ts'
import type { JobRecord } from '../jobs/record/job.ts'
import { loadJobs } from '../jobs/record/load-job.ts'
import type {
  ComparisonRecord,
  ComparisonRow,
  ComparisonStatus,
  ComparisonSummary,
  ComparisonView,
} from './comparison.ts'

type Job = JobRecord | null

export async function viewComparison(deps: Deps, record: ComparisonRecord): Promise<ComparisonView> {
  const jobs = await loadJobs(
    deps,
    record.rows.map(({ job_id }) => job_id),
  )
  const { quality, margin, goals, verdicts, ...table } = tableSoFar(record)
  const rows = table.rows.map((row, i) => rowOf(record, row, i, jobs[i - 1] ?? null))
  const withJob = withJobOf(record)
  return {
    ...headOf(record, jobs, rows),
    quality,
    margin,
    goals,
    rows,
    recommendation: table.recommendation && withJob(table.recommendation),
    verdicts: verdicts.map(withJob),
    links: linksOf(record.id),
  }
}

/** Without the rows, and without a look at their jobs: for lists and webhooks. */
export function summaryOf(record: ComparisonRecord): ComparisonSummary {
  const { goals, recommendation, rows } = tableSoFar(record)
  return {
    ...headOf(record, [], rows),
    goals,
    recommendation: recommendation && withJobOf(record)(recommendation),
    links: linksOf(record.id),
  }
}

export function linksOf(id: string): ComparisonView['links'] {
  const self = `/v1/comparisons/${id}`
  const under = (name: string) => `${self}/${name}`
  return { self, events: under('events'), cancel: under('cancel'), retry: under('retry'), report: under('report') }
}

/** Before any row has ended, every row waits. */
function tableSoFar({ table, rows, targets, request }: ComparisonRecord): Comparison {
  if (table) return table
  const waitingRows = rows.map(({ name, target, method }) => waiting({ name, target: targets[target]!, method }))
  return tableOf(
    [floatFacts([]), ...waitingRows].map((facts) => ({ facts, scores: null })),
    request.goals,
  )
}

function headOf(record: ComparisonRecord, jobs: readonly Job[], rows: readonly Pick<ComparisonRow, 'status'>[]) {
  const { id, object, created_at, started_at, finished_at, request, metadata } = record
  const own = rows.slice(1)
  const rows_ended = own.filter(({ status }) => status !== 'queued' && status !== 'running').length
  const fractions = own.map(({ status }, i) => fractionOf(status, jobs[i] ?? null))
  const fraction = fractions.reduce((sum, each) => sum + each, 0) / Math.max(1, own.length)
  const progress = { fraction, rows_ended, rows: own.length }
  return { id, object, status: statusOf(record, own), created_at, started_at, finished_at, request, metadata, progress }
}

/** The record learns of a job's start a moment later than the job does. */
const statusOf = ({ status }: ComparisonRecord, rows: readonly Pick<ComparisonRow, 'status'>[]): ComparisonStatus =>
  status === 'queued' && rows.some((row) => row.status === 'running') ? 'running' : status

const fractionOf = (status: ComparisonRow['status'], job: Job): number =>
  status === 'queued' ? 0 : status === 'running' ? (job?.progress?.fraction ?? 0) : 1

function rowOf({ rows }: ComparisonRecord, row: Comparison['rows'][number], index: number, job: Job): ComparisonRow {
  const order = rows[index - 1]
  const isUnderWay = job?.status === 'running' || job?.status === 'canceling'
  const artifacts = (job?.artifacts ?? []).map(({ id, name, content_type, size_bytes }) => ({
    id,
    name,
    content_type,
    size_bytes,
  }))
  return {
    ...row,
    ...(isUnderWay && row.status === 'queued' && { status: 'running' as const }),
    job_id: order && !order.error ? order.job_id : null,
    progress: isUnderWay ? (job.progress?.fraction ?? 0) : null,
    artifacts,
  }
}

const withJobOf =
  ({ rows }: ComparisonRecord) =>
  <T extends { row: number | null }>(verdict: T): T & { job_id: string | null } => ({
    ...verdict,
    job_id: (verdict.row && rows[verdict.row - 1]?.job_id) || null,
  })
