/** Repeats rows of a comparison that has ended, each with a new job. */
import type { Deps } from '../deps.ts'
import { FewbitError } from '../shared/errors.ts'
import { changeComparison } from './change-comparison.ts'
import { type ComparisonRecord, hasEnded, type RowOrder } from './comparison.ts'
import { getComparison } from './load-comparison.ts'
import { refreshTable } from './settle-comparison.ts'
import { rowJobId, startRows } from './start-rows.ts'

/**
 * `wanted`: indices in the table, whose row 0 is the float model; by default every row without a result. Throws not_found, job_not_finished, and invalid_request for a row
 * that there is not and where nothing is to be repeated.
 */
export async function retryRows(
  deps: Deps,
  owner: string,
  id: string,
  wanted: readonly number[] | undefined,
): Promise<ComparisonRecord> {
  await getComparison(deps, owner, id)
  const record = await changeComparison(deps, id, (found) => {
    if (!hasEnded(found))
      throw new FewbitError('job_not_finished', `comparison ${id} is ${found.status}; cancel it first`)
    const again = rowsToRepeat(found, wanted)
    const round = found.round + 1
    const rows = found.rows.map((row, i) => (again.has(i + 1) ? fresh(row, rowJobId(id, i, round)) : row))
    const data = { status: 'running', rows: [...again] }
    return {
      patch: { rows, round, status: 'running', finished_at: null },
      event: { type: 'comparison.retrying', data },
    }
  })
  return refreshTable(deps, await startRows(deps, record))
}

const fresh = (row: RowOrder, job_id: string): RowOrder => ({ ...row, job_id, error: null, told: false })

function rowsToRepeat({ rows, table }: ComparisonRecord, wanted: readonly number[] | undefined): Set<number> {
  const strange = wanted?.find((index) => index < 1 || index > rows.length)
  if (strange !== undefined)
    throw new FewbitError('invalid_request', `there is no row ${strange} to repeat: they are 1 to ${rows.length}`, {
      param: '/rows',
    })
  const without = rows.flatMap((_, i) => (table?.rows[i + 1]?.status === 'succeeded' ? [] : [i + 1]))
  const again = new Set(wanted ?? without)
  if (again.size > 0) return again
  throw new FewbitError('invalid_request', 'every row has a result: name the rows that shall be repeated', {
    param: '/rows',
  })
}
