/** Brings unfinished comparisons in line with their jobs, whatever process died in between. */
import type { Deps } from '../deps.ts'
import { messageOf } from '../shared/errors.ts'
import { cancelRows } from './cancel-comparison.ts'
import { openComparisonsKey } from './keys.ts'
import { loadComparison } from './load-comparison.ts'
import { settleComparison } from './settle-comparison.ts'
import { startRows } from './start-rows.ts'

/** whoever makes one is given so long before its start is repeated */
const BEING_MADE_MS = 10_000

/** Looks at each once; one that cannot be brought in line does not hold up the others. */
export async function reconcileComparisons(deps: Deps): Promise<void> {
  for (const id of await deps.redis.smembers(openComparisonsKey(deps)))
    await reconcile(deps, id).catch((error) =>
      deps.log.warn({ comparison_id: id, reason: messageOf(error) }, 'reconcile'),
    )
}

async function reconcile(deps: Deps, id: string): Promise<void> {
  const record = await loadComparison(deps, id)
  if (!record) return
  if (record.status === 'canceling') await cancelRows(deps, record)
  else if (Date.now() - Date.parse(record.created_at) > BEING_MADE_MS) await startRows(deps, record)
  await settleComparison(deps, id)
}
