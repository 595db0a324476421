/** Lists an owner's data sets, newest first. */
import type { Deps } from '../deps.ts'
import type { DatasetRecord } from './dataset.ts'
import { datasetKey, datasetsKey } from './keys.ts'

export interface DatasetPage {
  data: DatasetRecord[]
  has_more: boolean
  next_cursor: string | null
}

/** `after` is the id of the last data set of the page before. */
export async function listDatasets(
  deps: Deps,
  owner: string,
  { limit, after }: { limit: number; after?: string },
): Promise<DatasetPage> {
  const below = after ? `(${after}` : '+'
  const ids = await deps.redis.zrange(datasetsKey(deps, owner), below, '-', 'BYLEX', 'REV', 'LIMIT', 0, limit + 1)
  const page = ids.slice(0, limit)
  const texts = page.length ? await deps.redis.mget(page.map((id) => datasetKey(deps, id))) : []
  const has_more = ids.length > limit
  return {
    data: texts.flatMap((text) => (text === null ? [] : [JSON.parse(text) as DatasetRecord])),
    has_more,
    next_cursor: has_more ? page.at(-1)! : null,
  }
}
