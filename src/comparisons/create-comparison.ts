/** Makes a comparison: plans its rows, checks all of them at once, records it, and starts a job for each row. */
import type { Recipe } from '../contract/recipe.ts'
import type { Deps } from '../deps.ts'
import { nameOf } from '../engine/targets/index.ts'
import { createJob, type DryRunResult, refusal } from '../jobs/create/create-job.ts'
import type { Violation } from '../jobs/create/violation.ts'
import { requireRoom } from '../owners/reserve-bytes.ts'
import { unfinishedJobsOf } from '../owners/usage.ts'
import { FewbitError } from '../shared/errors.ts'
import { timeOfId } from '../shared/ids.ts'
import { refusalOfWebhookUrl } from '../webhooks/check-url.ts'
import { writeComparison } from './change-comparison.ts'
import type { ComparisonRecord, ComparisonRequest, RowOrder, SentComparison } from './comparison.ts'
import { loadComparison } from './load-comparison.ts'
import { type Plan, planRows, requestOf } from './plan-rows.ts'
import { rowJobId, startRows } from './start-rows.ts'

export interface ComparisonDryRun {
  object: 'comparison_dry_run'
  /** whether any row would run */
  valid: boolean
  rows: { name: string; target: string; method: string; options: Recipe | null; violations: Violation[] }[]
}

/** Throws what planning throws. */
export async function planComparison(deps: Deps, owner: string, request: ComparisonRequest): Promise<ComparisonDryRun> {
  const plan = await planRows(deps, owner, request)
  const checked = await checkRows(deps, owner, plan)
  const rows = plan.rows.map(({ name, target, method }, i) => ({
    name,
    target: nameOf(plan.targets[target]!),
    method: method.type,
    options: checked[i]?.options ?? null,
    violations: checked[i]?.violations ?? [],
  }))
  const valid = rows.some(({ violations }) => violations.length === 0) && webhookProblem(deps, request) === null
  return { object: 'comparison_dry_run', valid, rows }
}

/**
 * What is wrong with every row is an error; what is wrong with some is a row that failed. Throws that error, too_many_jobs where not all rows have
 * room, stored_bytes_exceeded and unavailable. An id that exists already is answered with what there is.
 */
export async function createComparison(
  deps: Deps,
  owner: string,
  request: ComparisonRequest,
  { id, sent }: { id: string; sent: SentComparison },
): Promise<ComparisonRecord> {
  const made = await loadComparison(deps, id)
  if (made?.owner === owner) return made
  const problem = webhookProblem(deps, request)
  if (problem) throw refusal([problem])
  const plan = await planRows(deps, owner, request)
  const rows = rowsOf(id, plan, await checkRows(deps, owner, plan))
  await requireRoomFor(deps, owner, rows.filter(({ error }) => !error).length)
  const record = recordOf(id, owner, request, sent, { ...plan, rows })
  await writeComparison(deps, record, { type: 'comparison.queued', data: { status: 'queued', rows: rows.length } })
  return startRows(deps, record)
}

const checkRows = (deps: Deps, owner: string, plan: Plan): Promise<DryRunResult[]> =>
  Promise.all(plan.rows.map((row) => createJob(deps, owner, requestOf(plan, row), { dryRun: true })))

function rowsOf(id: string, { rows }: Plan, checked: readonly DryRunResult[]): RowOrder[] {
  if (checked.every(({ valid }) => !valid)) throw refusal(unique(checked.flatMap(({ violations }) => violations)))
  return rows.map((row, i) => ({ ...row, job_id: rowJobId(id, i, 0), error: errorOf(checked[i]?.violations[0]) }))
}

const errorOf = (violation: Violation | undefined): RowOrder['error'] =>
  violation ? { code: violation.code, detail: violation.detail, hint: null } : null

const unique = (violations: readonly Violation[]): Violation[] => [
  ...new Map(violations.map((one) => [JSON.stringify(one), one])).values(),
]

function webhookProblem({ config }: Deps, { webhook }: ComparisonRequest): Violation | null {
  const detail = webhook ? refusalOfWebhookUrl(config, webhook.url) : null
  return detail ? { pointer: '/webhook/url', code: 'invalid_request', detail } : null
}

/** So that a comparison is accepted as a whole or not at all. */
async function requireRoomFor(deps: Deps, owner: string, jobs: number): Promise<void> {
  await requireRoom(deps, owner)
  const { used, max } = await unfinishedJobsOf(deps, owner)
  if (used + jobs <= max) return
  const detail = `these are ${jobs} jobs, ${used} are unfinished, and at most ${max} may be`
  throw new FewbitError('too_many_jobs', detail)
}

function recordOf(
  id: string,
  owner: string,
  { webhook, metadata }: ComparisonRequest,
  sent: SentComparison,
  plan: Pick<ComparisonRecord, 'shared' | 'targets' | 'rows'>,
): ComparisonRecord {
  const { secret: _, ...shown } = webhook ?? {}
  return {
    id,
    object: 'comparison',
    owner,
    version: 1,
    status: 'queued',
    created_at: timeOfId(id).toISOString(),
    started_at: null,
    finished_at: null,
    request: sent.webhook ? { ...sent, webhook: shown as typeof sent.webhook } : sent,
    metadata: metadata ?? {},
    webhook_secret: webhook?.secret ?? null,
    ...plan,
    table: null,
    round: 0,
  }
}
