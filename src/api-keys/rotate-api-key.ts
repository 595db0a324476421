/** Gives an API key a new text; the old one works for a while, so that whoever uses it can change over. */
import type { Deps } from '../deps.ts'
import { type ApiKeyRecord, type Caller, type NewApiKey, viewApiKey } from './api-key.ts'
import { changeApiKey, grantCommand } from './change-api-key.ts'
import { getApiKey } from './get-api-key.ts'
import { beginningOf, hashOfKey, makeKeyText } from './key-text.ts'
import { apiKeyKey, grantKey } from './keys.ts'

/** At most one text besides the new one works: a second rotation ends the first one's grace. Throws not_found. */
export async function rotateApiKey(deps: Deps, caller: Caller, id: string, graceSeconds: number): Promise<NewApiKey> {
  const { last_used_at } = await getApiKey(deps, caller, id)
  const key = makeKeyText()
  let rotated: ApiKeyRecord | undefined
  await changeApiKey(deps, id, (before) => {
    rotated = rotate(before, key, graceSeconds)
    return [
      ['HSET', apiKeyKey(deps, id), 'record', JSON.stringify(rotated)],
      grantCommand(deps, rotated),
      ...(before.previous_hash ? [['DEL', grantKey(deps, before.previous_hash)]] : []),
      graceSeconds > 0 ? ['EXPIRE', grantKey(deps, before.hash), graceSeconds] : ['DEL', grantKey(deps, before.hash)],
    ]
  })
  return { ...viewApiKey(rotated as ApiKeyRecord, last_used_at), key }
}

function rotate(before: ApiKeyRecord, key: string, graceSeconds: number): ApiKeyRecord {
  const now = Date.now()
  return {
    ...before,
    starts_with: beginningOf(key),
    rotated_at: new Date(now).toISOString(),
    previous_expires_at: graceSeconds > 0 ? new Date(now + graceSeconds * 1000).toISOString() : null,
    hash: hashOfKey(key),
    previous_hash: graceSeconds > 0 ? before.hash : null,
  }
}
