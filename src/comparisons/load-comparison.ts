/** Reads records of comparisons. */
import type { Deps } from '../deps.ts'
import { FewbitError } from '../shared/errors.ts'
import { isId } from '../shared/ids.ts'
import type { ComparisonRecord } from './comparison.ts'
import { comparisonKey } from './keys.ts'

type LoadDeps = Pick<Deps, 'config' | 'redis'>

/** Whoever owns it; null when there is none. */
export async function loadComparison(deps: LoadDeps, id: string): Promise<ComparisonRecord | null> {
  if (!isId('cmp', id)) return null
  const text = await deps.redis.hget(comparisonKey(deps, id), 'record')
  return text === null ? null : (JSON.parse(text) as ComparisonRecord)
}

/** Throws not_found, for another owner's too. */
export async function getComparison(deps: LoadDeps, owner: string, id: string): Promise<ComparisonRecord> {
  const record = await loadComparison(deps, id)
  if (record?.owner !== owner) throw new FewbitError('not_found', `no comparison ${id}`)
  return record
}
