/** Ends an API key at once, and its predecessor with it. */
import type { Deps } from '../deps.ts'
import type { Caller } from './api-key.ts'
import { changeApiKey } from './change-api-key.ts'
import { getApiKey } from './get-api-key.ts'
import { apiKeyKey, apiKeysKey, grantKey } from './keys.ts'

/** Throws not_found. */
export async function revokeApiKey(deps: Deps, caller: Caller, id: string): Promise<void> {
  await getApiKey(deps, caller, id)
  await changeApiKey(deps, id, ({ owner, hash, previous_hash }) => [
    ['DEL', apiKeyKey(deps, id), grantKey(deps, hash)],
    ...(previous_hash ? [['DEL', grantKey(deps, previous_hash)]] : []),
    ['ZREM', apiKeysKey(deps, owner), id],
  ])
}
