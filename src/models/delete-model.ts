/** Deletes a model that no unfinished job needs. */
import type { Deps } from '../deps.ts'
import { deleteUnneeded } from '../owners/delete-unneeded.ts'
import { release } from '../storage/refs.ts'
import { getModel } from './get-model.ts'
import { identitiesKey, identityOf, modelKey, modelRef, modelsKey } from './keys.ts'

/** Throws not_found, or in_use while a job is queued or runs on it. */
export async function deleteModel(deps: Deps, owner: string, id: string): Promise<void> {
  const model = await getModel(deps, owner, id)
  await deleteUnneeded(deps, {
    id,
    owner,
    size_bytes: model.size_bytes,
    record: modelKey(deps, id),
    list: modelsKey(deps, owner),
    identities: identitiesKey(deps, owner),
    identity: identityOf(model.files),
  })
  for (const { sha256 } of model.files) await release(deps, sha256, modelRef(id))
}
