/** Lists an owner's comparisons, newest first, without their rows. */
import type { Deps } from '../deps.ts'
import type { ComparisonSummary } from './comparison.ts'
import { comparisonsKey } from './keys.ts'
import { loadComparison } from './load-comparison.ts'
import { summaryOf } from './view-comparison.ts'

export interface ComparisonPage {
  data: ComparisonSummary[]
  has_more: boolean
  next_cursor: string | null
}

/** `after` is the id of the last comparison of the page before. */
export async function listComparisons(
  deps: Deps,
  owner: string,
  { limit, after }: { limit: number; after?: string | undefined },
): Promise<ComparisonPage> {
  const below = after ? `(${after}` : '+'
  const ids = await deps.redis.zrange(comparisonsKey(deps, owner), below, '-', 'BYLEX', 'REV', 'LIMIT', 0, limit + 1)
  const page = ids.slice(0, limit)
  const records = await Promise.all(page.map((id) => loadComparison(deps, id)))
  const has_more = ids.length > limit
  return {
    data: records.flatMap((record) => (record ? [summaryOf(record)] : [])),
    has_more,
    next_cursor: has_more ? page.at(-1)! : null,
  }
}
