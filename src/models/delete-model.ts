/** Deletes a model that no unfinished job needs. */
import type { Deps } from '../deps.ts'
import { refuseInUse } from '../jobs/refuse-in-use.ts'
import { release } from '../storage/refs.ts'
import { getModel } from './get-model.ts'
import { identitiesKey, identityOf, modelKey, modelRef, modelsKey } from './keys.ts'

/** Throws not_found, or in_use while a job is queued or runs on it. */
export async function deleteModel(deps: Deps, owner: string, id: string): Promise<void> {
  const model = await getModel(deps, owner, id)
  await refuseInUse(deps, owner, { model_id: id })
  await deps.redis
    .multi()
    .del(modelKey(deps, id))
    .zrem(modelsKey(deps, owner), id)
    .hdel(identitiesKey(deps, owner), identityOf(model.files))
    .exec()
  for (const { sha256 } of model.files) await release(deps, sha256, modelRef(id))
}
