/** Deletes a comparison that has ended, with the jobs of its rows. */
import type { Deps } from '../deps.ts'
import { deleteJob } from '../jobs/delete-job.ts'
import { changesChannel } from '../queue/queues.ts'
import { FewbitError } from '../shared/errors.ts'
import { hasEnded } from './comparison.ts'
import { comparisonEventsKey, comparisonKey, comparisonsKey, openComparisonsKey } from './keys.ts'
import { getComparison } from './load-comparison.ts'

/** `keepJobs`: they, and their artifacts, stay as jobs of their own. Throws not_found and job_not_finished. */
export async function deleteComparison(
  deps: Deps,
  owner: string,
  id: string,
  { keepJobs }: { keepJobs: boolean },
): Promise<void> {
  const record = await getComparison(deps, owner, id)
  if (!hasEnded(record))
    throw new FewbitError('job_not_finished', `comparison ${id} is ${record.status}; cancel it first`)
  // jobs first: whoever is interrupted here can do it again
  if (!keepJobs) for (const { job_id } of record.rows) await deleteJob(deps, owner, job_id).catch(ignoreMissing)
  await deps.redis
    .multi()
    .del(comparisonKey(deps, id), comparisonEventsKey(deps, id))
    .zrem(comparisonsKey(deps, owner), id)
    .srem(openComparisonsKey(deps), id)
    .publish(changesChannel(deps.config), id)
    .exec()
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof FewbitError) || error.code !== 'not_found') throw error
}
