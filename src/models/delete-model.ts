/** Deletes a model that no unfinished job needs. */
import type { Deps } from '../deps.ts'
import { isTerminal, JOB_STATUSES } from '../jobs/job.ts'
import { listJobs } from '../jobs/list-jobs.ts'
import { FewbitError } from '../shared/errors.ts'
import { release } from '../storage/refs.ts'
import { getModel } from './get-model.ts'
import { identitiesKey, identityOf, modelKey, modelRef, modelsKey } from './keys.ts'

/** Throws not_found, or in_use while a job is queued or runs on it. */
export async function deleteModel(deps: Deps, owner: string, id: string): Promise<void> {
  const model = await getModel(deps, owner, id)
  await refuseInUse(deps, owner, id)
  await deps.redis
    .multi()
    .del(modelKey(deps, id))
    .zrem(modelsKey(deps, owner), id)
    .hdel(identitiesKey(deps, owner), identityOf(model.files))
    .exec()
  for (const { sha256 } of model.files) await release(deps, sha256, modelRef(id))
}

async function refuseInUse(deps: Deps, owner: string, id: string): Promise<void> {
  for (const status of JOB_STATUSES.filter((name) => !isTerminal(name))) {
    const { data } = await listJobs(deps, owner, { status, model_id: id, limit: 1 })
    const job = data[0]
    if (job) throw new FewbitError('in_use', `job ${job.id} is ${job.status} and needs this model`)
  }
}
