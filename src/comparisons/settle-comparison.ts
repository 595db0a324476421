/** Brings a comparison up to date with its jobs: the table, an event for each row that has ended, and its own end. */
import type { Deps } from '../deps.ts'
import { type Entry, tableOf } from '../engine/compare/rules/table.ts'
import { type Change, changeComparison } from './change-comparison.ts'
import { type ComparisonRecord, hasEnded, type RowOrder } from './comparison.ts'
import { loadComparison } from './load-comparison.ts'
import { readRows } from './read-rows.ts'

/** Safe to repeat, and to do in several processes at once. A comparison that was deleted is no error. */
export async function settleComparison(deps: Deps, id: string): Promise<void> {
  for (;;) {
    const record = await loadComparison(deps, id)
    if (!record || hasEnded(record)) return
    const entries = await readRows(deps, record)
    const isStale = (now: ComparisonRecord) => now.version !== record.version
    let wrote = false
    await changeComparison(deps, id, (now) => {
      if (isStale(now)) return null
      const change = nextChange(now, entries)
      wrote = change !== null
      return change
    })
    const latest = await loadComparison(deps, id)
    if (!wrote && latest && !isStale(latest)) return
  }
}

/** The same for the table alone: rows that begin again lose what they had. */
export async function refreshTable(deps: Deps, record: ComparisonRecord): Promise<ComparisonRecord> {
  const table = tableOf(await readRows(deps, record), record.request.goals)
  return changeComparison(deps, record.id, (now) => (now.version === record.version ? { patch: { table } } : null))
}

/** One at a time, because each has its own event. Null: everything is told. */
function nextChange(record: ComparisonRecord, entries: readonly Entry[]): Change | null {
  const ended = entries.slice(1).map(({ facts: { status } }) => status !== 'queued' && status !== 'running')
  const row = record.rows.findIndex(({ told }, i) => ended[i] && !told)
  if (record.status === 'queued' && hasStarted(entries)) return started()
  if (row >= 0) return rowEnded(record, entries, row)
  return ended.every(Boolean) ? end(record, entries) : null
}

const hasStarted = (entries: readonly Entry[]): boolean =>
  entries.slice(1).some(({ facts }) => facts.status !== 'queued')

const now = (): string => new Date().toISOString()

const started = (): Change => ({
  patch: { status: 'running', started_at: now() },
  event: { type: 'comparison.started', data: { status: 'running' } },
})

function rowEnded({ rows, request }: ComparisonRecord, entries: readonly Entry[], index: number): Change {
  const table = tableOf(entries, request.goals)
  const { job_id } = rows[index]!
  const { name, target, method, status, pareto, meets_goals, error } = table.rows[index + 1]!
  const { recommendation } = table
  const data = { row: index + 1, job_id, name, target, method, status, pareto, meets_goals, error, recommendation }
  return { patch: { table, rows: rows.with(index, told(rows[index]!)) }, event: { type: 'comparison.row', data } }
}

const told = (row: RowOrder): RowOrder => ({ ...row, told: true })

/** A comparison that has a row to show has succeeded. */
function end({ status, request }: ComparisonRecord, entries: readonly Entry[]): Change {
  const table = tableOf(entries, request.goals)
  const hasResult = entries.slice(1).some(({ facts }) => facts.status === 'succeeded')
  const outcome = status === 'canceling' ? 'canceled' : hasResult ? 'succeeded' : 'failed'
  return {
    patch: { table, status: outcome, finished_at: now() },
    event: { type: `comparison.${outcome}`, data: { status: outcome, recommendation: table.recommendation } },
  }
}
