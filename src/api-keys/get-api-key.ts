/** Reads one API key. */
import type { Deps } from '../deps.ts'
import { FewbitError } from '../shared/errors.ts'
import { isId } from '../shared/ids.ts'
import { type ApiKey, type ApiKeyRecord, type Caller, viewApiKey } from './api-key.ts'
import { apiKeyKey } from './keys.ts'
import { mayManage } from './owner-for.ts'

/** Throws not_found, for another owner's key too. */
export async function getApiKey(deps: Deps, caller: Caller, id: string): Promise<ApiKey> {
  const key = isId('key', id) ? await findApiKey(deps, id) : null
  if (!key || !mayManage(caller, key.owner)) throw new FewbitError('not_found', `no API key ${id}`)
  return key
}

/** The key or null, whoever owns it. */
export async function findApiKey(deps: Deps, id: string): Promise<ApiKey | null> {
  const [text, used] = await deps.redis.hmget(apiKeyKey(deps, id), 'record', 'used')
  return text ? viewApiKey(JSON.parse(text) as ApiKeyRecord, used ?? null) : null
}
