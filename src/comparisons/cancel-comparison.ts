/** Cancels a comparison: its rows that have not ended, one by one; those that have stay. */
import type { Deps } from '../deps.ts'
import { cancelJob } from '../jobs/cancel-job.ts'
import { FewbitError } from '../shared/errors.ts'
import { changeComparison } from './change-comparison.ts'
import { type ComparisonRecord, hasEnded } from './comparison.ts'
import { getComparison } from './load-comparison.ts'
import { settleComparison } from './settle-comparison.ts'

/** Throws not_found and job_already_finished. */
export async function cancelComparison(deps: Deps, owner: string, id: string): Promise<ComparisonRecord> {
  await getComparison(deps, owner, id)
  const record = await changeComparison(deps, id, (found) => {
    if (found.status === 'canceling' || found.status === 'canceled') return null
    if (hasEnded(found)) throw new FewbitError('job_already_finished', `comparison ${id} has already ${found.status}`)
    const event = { type: 'comparison.canceling', data: { status: 'canceling' } } as const
    return { patch: { status: 'canceling' }, event }
  })
  await cancelRows(deps, record)
  await settleComparison(deps, id)
  return getComparison(deps, owner, id)
}

/** Safe to repeat. */
export async function cancelRows(deps: Deps, { owner, rows }: ComparisonRecord): Promise<void> {
  for (const { job_id, error, told } of rows)
    if (!error && !told) await cancelJob(deps, owner, job_id).catch(ignoreEnded)
}

function ignoreEnded(error: unknown): void {
  const isEnded = error instanceof FewbitError && ['job_already_finished', 'not_found'].includes(error.code)
  if (!isEnded) throw error
}
