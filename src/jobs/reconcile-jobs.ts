/** Brings the queue in line with the records: what is open must be on the queue, what waited too long expires. */
import type { Deps } from '../deps.ts'
import { dequeueJob, enqueueAgain, hasLiveEntry } from '../queue/enqueue.ts'
import { messageOf } from '../shared/errors.ts'
import { isOverdue, overdue } from './attempt/claim-job.ts'
import { changeJob } from './record/change-job.ts'
import { openKey } from './record/keys.ts'
import { loadJobStates } from './record/load-job.ts'
import type { JobState } from './record/parts.ts'
import { canceled } from './record/transitions.ts'

const BATCH = 100

/** Looks at every unfinished job once; one that cannot be brought in line does not hold up the others. */
export async function reconcileJobs(deps: Deps): Promise<void> {
  const ids = await deps.redis.smembers(openKey(deps))
  for (let from = 0; from < ids.length; from += BATCH) {
    for (const job of await loadJobStates(deps, ids.slice(from, from + BATCH))) {
      await reconcile(deps, job).catch((error) =>
        deps.log.warn({ job_id: job.id, reason: messageOf(error) }, 'reconcile'),
      )
    }
  }
}

type Job = JobState & { id: string }

async function reconcile(deps: Deps, job: Job): Promise<void> {
  if (isOverdue(job)) return expire(deps, job.id)
  if (await hasLiveEntry(deps, job.id)) return
  if (job.status === 'canceling') await closeCanceling(deps, job.id)
  else await enqueueAgain(deps, job)
}

async function expire(deps: Deps, id: string): Promise<void> {
  await changeJob(deps, id, ({ record }) => (isOverdue(record) ? overdue(record) : null))
  await dequeueJob(deps, id)
}

/** Its worker is gone: nobody else would finish it. */
async function closeCanceling(deps: Deps, id: string): Promise<void> {
  await changeJob(deps, id, ({ record }) => (record.status === 'canceling' ? canceled() : null))
}
