/** Deletes a data set that no unfinished job needs. */
import type { Deps } from '../deps.ts'
import { refuseInUse } from '../jobs/refuse-in-use.ts'
import { release } from '../storage/refs.ts'
import { getDataset } from './get-dataset.ts'
import { datasetKey, datasetRef, datasetsKey, identitiesKey, identityOf } from './keys.ts'

/** Throws not_found, or in_use while a job is queued or runs on it. */
export async function deleteDataset(deps: Deps, owner: string, id: string): Promise<void> {
  const dataset = await getDataset(deps, owner, id)
  await refuseInUse(deps, owner, { dataset_id: id })
  await deps.redis
    .multi()
    .del(datasetKey(deps, id))
    .zrem(datasetsKey(deps, owner), id)
    .hdel(identitiesKey(deps, owner), identityOf(dataset))
    .exec()
  await release(deps, dataset.sha256, datasetRef(id))
}
