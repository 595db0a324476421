/** Lists the API keys of an owner, newest first. */
import type { Deps } from '../deps.ts'
import type { ApiKey, Caller } from './api-key.ts'
import { findApiKey } from './get-api-key.ts'
import { apiKeysKey } from './keys.ts'
import { ownerFor } from './owner-for.ts'

export interface ApiKeyQuery {
  /** by default the caller's */
  owner?: string | undefined
  limit: number
  /** id of the last key of the page before */
  after?: string | undefined
}

export interface ApiKeyPage {
  data: ApiKey[]
  has_more: boolean
  next_cursor: string | null
}

/** Throws insufficient_scope for another owner's keys. */
export async function listApiKeys(deps: Deps, caller: Caller, query: ApiKeyQuery): Promise<ApiKeyPage> {
  const list = apiKeysKey(deps, ownerFor(caller, query.owner))
  const below = query.after ? `(${query.after}` : '+'
  const ids = await deps.redis.zrange(list, below, '-', 'BYLEX', 'REV', 'LIMIT', 0, query.limit + 1)
  const page = ids.slice(0, query.limit)
  const found = await Promise.all(page.map((id) => findApiKey(deps, id)))
  const has_more = ids.length > query.limit
  return {
    data: found.flatMap((key) => key ?? []),
    has_more,
    next_cursor: has_more ? (page.at(-1) ?? null) : null,
  }
}
