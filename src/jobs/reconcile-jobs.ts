/** Brings the queue in line with the records: what is open must be on the queue, what waited too long expires. */
import type { Deps } from '../deps.ts'
import { dequeueJob, enqueueAgain, hasLiveEntry } from '../queue/enqueue.ts'
import { messageOf } from '../shared/errors.ts'
import { isOverdue, overdue } from './attempt/claim-job.ts'
import { changeJob } from './record/change-job.ts'
import type { JobRecord } from './record/job.ts'
import { openKey } from './record/keys.ts'
import { loadJobs } from './record/load-job.ts'
import { canceled } from './record/transitions.ts'

/** Looks at every unfinished job once; one that cannot be brought in line does not hold up the others. */
export async function reconcileJobs(deps: Deps): Promise<void> {
  const jobs = await loadJobs(deps, await deps.redis.smembers(openKey(deps)))
  for (const job of jobs) {
    await reconcile(deps, job).catch((error) => deps.log.warn({ job: job.id, reason: messageOf(error) }, 'reconcile'))
  }
}

async function reconcile(deps: Deps, job: JobRecord): Promise<void> {
  if (isOverdue(job)) return expire(deps, job.id)
  if (await hasLiveEntry(deps, job.id)) return
  if (job.status === 'canceling') await closeCanceling(deps, job.id)
  else await enqueueAgain(deps, job.id)
}

async function expire(deps: Deps, id: string): Promise<void> {
  await changeJob(deps, id, ({ record }) => (isOverdue(record) ? overdue(record) : null))
  await dequeueJob(deps, id)
}

/** Its worker is gone: nobody else would finish it. */
async function closeCanceling(deps: Deps, id: string): Promise<void> {
  await changeJob(deps, id, ({ record }) => (record.status === 'canceling' ? canceled() : null))
}
