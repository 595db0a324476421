/** Reads one model of an owner. */
import type { Deps } from '../deps.ts'
import { FewbitError } from '../shared/errors.ts'
import { isId } from '../shared/ids.ts'
import { modelKey } from './keys.ts'
import type { ModelRecord } from './model.ts'

/** Throws not_found, for another owner's model too. */
export async function getModel(deps: Deps, owner: string, id: string): Promise<ModelRecord> {
  const model = await findModel(deps, id)
  if (model?.owner !== owner) throw new FewbitError('not_found', `no model ${id}`)
  return model
}

/** The record or null, whoever owns it. */
export async function findModel(deps: Deps, id: string): Promise<ModelRecord | null> {
  if (!isId('mdl', id)) return null
  const text = await deps.redis.get(modelKey(deps, id))
  return text === null ? null : (JSON.parse(text) as ModelRecord)
}
