/** The one write of a job: record, indexes, event, artifacts and webhook intent together, only if nobody was faster. */
import type { Deps } from '../../deps.ts'
import { changesChannel } from '../../queue/queues.ts'
import { type ArtifactSummary, isTerminal, type JobEvent, type JobRecord } from './job.ts'
import { artifactKey, eventCounterKey, eventsKey, jobKey, openKey, outboxKey, ownedKey, unfinishedKey } from './keys.ts'
import { viewJob } from './view-job.ts'

export interface JobWrite {
  record: JobRecord
  /** version that the record must still have; 0: it must not exist */
  expected: number
  event?: { type: JobEvent['type']; data: Record<string, unknown> }
  artifacts?: ArtifactSummary[]
  /** this write ends an attempt whose worker died */
  lostAttempt?: boolean
}

type WriteDeps = Pick<Deps, 'config' | 'redis'>
type Command = (string | number)[]

const MAX_EVENTS = 1000
const EVENT_ID = '$event'

/**
 * Runs the commands if the job has the expected version. Event ids are `<milliseconds>-<count over all jobs>`: they grow within a
 * stream even when the clock steps back, and no two jobs share one, so that they can name webhooks.
 */
const WRITE = `
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local ms = time[1] * 1000 + math.floor(time[2] / 1000)
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
if last then ms = math.max(ms, tonumber(string.match(last[1], '^%d+'))) end
local event = string.format('%.0f-%d', ms, redis.call('INCR', KEYS[3]))
for _, command in ipairs(cjson.decode(ARGV[2])) do
  for i, word in ipairs(command) do if word == '${EVENT_ID}' then command[i] = event end end
  redis.call(unpack(command))
end
return 1`

/** False: the version was another one and nothing was written. */
export async function writeJob(deps: WriteDeps, write: JobWrite): Promise<boolean> {
  const { id } = write.record
  const keys = [jobKey(deps, id), eventsKey(deps, id), eventCounterKey(deps)]
  const commands = JSON.stringify(commandsOf(deps, write))
  return (await deps.redis.eval(WRITE, keys.length, ...keys, String(write.expected), commands)) === 1
}

function commandsOf(deps: WriteDeps, write: JobWrite): Command[] {
  const { record, artifacts = [], lostAttempt } = write
  const key = jobKey(deps, record.id)
  return [
    ['HSET', key, 'version', record.version, 'json', JSON.stringify(record)],
    ...(lostAttempt ? [['HINCRBY', key, 'lost_attempts', 1]] : []),
    ...indexCommands(deps, record),
    ...artifacts.map((one) => ['SET', artifactKey(deps, one.id), JSON.stringify({ ...one, owner: record.owner })]),
    ...eventCommands(deps, write),
    ['PUBLISH', changesChannel(deps.config), record.id],
  ]
}

function indexCommands(deps: WriteDeps, { id, owner, status }: JobRecord): Command[] {
  const change = isTerminal(status) ? 'SREM' : 'SADD'
  return [
    ['ZADD', ownedKey(deps, owner), 0, id],
    [change, openKey(deps), id],
    [change, unfinishedKey(deps, owner), id],
  ]
}

function eventCommands(deps: WriteDeps, { record, event }: JobWrite): Command[] {
  if (!event) return []
  const created_at = new Date().toISOString()
  const json = JSON.stringify({ ...event, created_at })
  const add = ['XADD', eventsKey(deps, record.id), 'MAXLEN', '~', MAX_EVENTS, EVENT_ID, 'json', json]
  return [add, ...intentCommands(deps, record, event.type, created_at)]
}

/** Without a list of events, the terminal ones are sent. */
function intentCommands(deps: WriteDeps, record: JobRecord, type: string, timestamp: string): Command[] {
  const { webhook } = record.request
  const wanted: readonly string[] = webhook?.events ?? ['job.succeeded', 'job.failed', 'job.canceled', 'job.expired']
  if (!webhook || !wanted.includes(type)) return []
  const body = JSON.stringify({ type, timestamp, data: viewJob(record) })
  return [['HSET', outboxKey(deps), EVENT_ID, JSON.stringify({ jobId: record.id, url: webhook.url, body })]]
}
