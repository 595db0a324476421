/** Reads one data set of an owner. */
import type { Deps } from '../deps.ts'
import { FewbitError } from '../shared/errors.ts'
import { isId } from '../shared/ids.ts'
import type { DatasetRecord } from './dataset.ts'
import { datasetKey } from './keys.ts'

/** Throws not_found, for another owner's data set too. */
export async function getDataset(deps: Deps, owner: string, id: string): Promise<DatasetRecord> {
  const dataset = await findDataset(deps, id)
  if (dataset?.owner !== owner) throw new FewbitError('not_found', `no data set ${id}`)
  return dataset
}

/** The record or null, whoever owns it. */
export async function findDataset(deps: Deps, id: string): Promise<DatasetRecord | null> {
  if (!isId('ds', id)) return null
  const text = await deps.redis.get(datasetKey(deps, id))
  return text === null ? null : (JSON.parse(text) as DatasetRecord)
}
