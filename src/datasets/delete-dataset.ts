/** Deletes a data set that no unfinished job needs. */
import type { Deps } from '../deps.ts'
import { deleteUnneeded } from '../owners/delete-unneeded.ts'
import { release } from '../storage/refs.ts'
import { getDataset } from './get-dataset.ts'
import { datasetKey, datasetRef, datasetsKey, identitiesKey, identityOf } from './keys.ts'

/** Throws not_found, or in_use while a job is queued or runs on it. */
export async function deleteDataset(deps: Deps, owner: string, id: string): Promise<void> {
  const dataset = await getDataset(deps, owner, id)
  await deleteUnneeded(deps, {
    id,
    owner,
    size_bytes: dataset.size_bytes,
    record: datasetKey(deps, id),
    list: datasetsKey(deps, owner),
    identities: identitiesKey(deps, owner),
    identity: identityOf(dataset),
  })
  await release(deps, dataset.sha256, datasetRef(id))
}
