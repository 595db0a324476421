/** The one write of a comparison: record, list, event and webhook intent together, only if nobody was faster. */
import type { Deps } from '../deps.ts'
import { eventCounterKey } from '../jobs/record/keys.ts'
import { intoOutbox } from '../jobs/record/webhook-intent.ts'
import { EVENT_ID, RUN_WITH_EVENT } from '../jobs/record/write-job.ts'
import { changesChannel } from '../queue/queues.ts'
import { FewbitError } from '../shared/errors.ts'
import { isWebhookEvent } from '../webhooks/events.ts'
import { type ComparisonEvent, type ComparisonRecord, hasEnded } from './comparison.ts'
import { comparisonEventsKey, comparisonKey, comparisonsKey, openComparisonsKey } from './keys.ts'
import { loadComparison } from './load-comparison.ts'
import { summaryOf } from './view-comparison.ts'

type WriteDeps = Pick<Deps, 'config' | 'redis'>
type Command = (string | number)[]

export interface Change {
  patch: Partial<ComparisonRecord>
  event?: { type: ComparisonEvent['type']; data: Record<string, unknown> }
}

const MAX_TRIES = 50
const MAX_EVENTS = 1000

const WRITE = `
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then return 0 end
${RUN_WITH_EVENT}
return 1`

/** False: the record was another one by then, or there was one already (version 1), and nothing was written. */
export async function writeComparison(
  deps: WriteDeps,
  record: ComparisonRecord,
  event?: Change['event'],
): Promise<boolean> {
  const { id } = record
  const keys = [comparisonKey(deps, id), comparisonEventsKey(deps, id), eventCounterKey(deps)]
  const words = [String(record.version - 1), JSON.stringify(commandsOf(deps, record, event))]
  return (await deps.redis.eval(WRITE, keys.length, ...keys, ...words)) === 1
}

/** `decide` returns the change, null for none, or throws. Resolves to the record as it is then. Throws not_found. */
export async function changeComparison(
  deps: WriteDeps,
  id: string,
  decide: (record: ComparisonRecord) => Change | null,
): Promise<ComparisonRecord> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const before = await loadComparison(deps, id)
    if (!before) throw new FewbitError('not_found', `no comparison ${id}`)
    const change = decide(before)
    if (!change) return before
    const record = { ...before, ...change.patch, version: before.version + 1 }
    if (await writeComparison(deps, record, change.event)) return record
  }
  throw new FewbitError('unavailable', `comparison ${id} is being changed too often`)
}

function commandsOf(deps: WriteDeps, record: ComparisonRecord, event: Change['event']): Command[] {
  const { id, owner, version } = record
  return [
    ['HSET', comparisonKey(deps, id), 'version', version, 'record', JSON.stringify(record)],
    ['ZADD', comparisonsKey(deps, owner), 0, id],
    [hasEnded(record) ? 'SREM' : 'SADD', openComparisonsKey(deps), id],
    ...(event ? eventCommands(deps, record, event) : []),
    ['PUBLISH', changesChannel(deps.config), id],
  ]
}

function eventCommands(deps: WriteDeps, record: ComparisonRecord, event: NonNullable<Change['event']>): Command[] {
  const { id, owner, request, webhook_secret } = record
  const timestamp = new Date().toISOString()
  const json = JSON.stringify({ ...event, created_at: timestamp })
  const add = ['XADD', comparisonEventsKey(deps, id), 'MAXLEN', '~', MAX_EVENTS, EVENT_ID, 'json', json]
  if (!isWebhookEvent(event.type)) return [add]
  const body = JSON.stringify({ type: event.type, timestamp, data: summaryOf(record) })
  const told = { subject: id, owner, type: event.type, body }
  return [add, ...intoOutbox(deps, told, { webhook: request.webhook, hasSecret: webhook_secret !== null }, EVENT_ID)]
}
