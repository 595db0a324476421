/** Makes an API key. It is shown in this answer and never again. */
import type { Deps } from '../deps.ts'
import { newId } from '../shared/ids.ts'
import type { ApiKeyRecord, Caller, NewApiKey, Scope } from './api-key.ts'
import { viewApiKey } from './api-key.ts'
import { insertApiKey } from './change-api-key.ts'
import { beginningOf, hashOfKey, makeKeyText } from './key-text.ts'
import { ownerFor } from './owner-for.ts'

export interface ApiKeyRequest {
  name: string
  scopes: Scope[]
  /** by default the caller's */
  owner?: string | undefined
}

/** Throws insufficient_scope for another owner's key, and too_many_api_keys. */
export async function createApiKey(deps: Deps, caller: Caller, request: ApiKeyRequest): Promise<NewApiKey> {
  const key = makeKeyText()
  const record: ApiKeyRecord = {
    id: newId('key'),
    object: 'api_key',
    name: request.name,
    owner: ownerFor(caller, request.owner),
    scopes: [...new Set(request.scopes)],
    starts_with: beginningOf(key),
    created_at: new Date().toISOString(),
    rotated_at: null,
    previous_expires_at: null,
    hash: hashOfKey(key),
    previous_hash: null,
  }
  await insertApiKey(deps, record)
  return { ...viewApiKey(record, null), key }
}
