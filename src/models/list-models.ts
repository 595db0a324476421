/** Lists an owner's models, newest first. */
import type { Deps } from '../deps.ts'
import { modelKey, modelsKey } from './keys.ts'
import type { ModelRecord } from './model.ts'

export interface ModelPage {
  data: ModelRecord[]
  has_more: boolean
  next_cursor: string | null
}

/** `after` is the id of the last model of the page before. */
export async function listModels(
  deps: Deps,
  owner: string,
  { limit, after }: { limit: number; after?: string },
): Promise<ModelPage> {
  const below = after ? `(${after}` : '+'
  const ids = await deps.redis.zrange(modelsKey(deps, owner), below, '-', 'BYLEX', 'REV', 'LIMIT', 0, limit + 1)
  const page = ids.slice(0, limit)
  const texts = page.length ? await deps.redis.mget(page.map((id) => modelKey(deps, id))) : []
  const has_more = ids.length > limit
  return {
    data: texts.flatMap((text) => (text === null ? [] : [JSON.parse(text) as ModelRecord])),
    has_more,
    next_cursor: has_more ? page.at(-1)! : null,
  }
}
