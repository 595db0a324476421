/** The one write of a job: record, indexes, event, artifacts and webhook intent together, only if nobody was faster. */
import type { Deps } from '../../deps.ts'
import { bytesKey, neededKey, unfinishedKey } from '../../owners/keys.ts'
import { changesChannel } from '../../queue/queues.ts'
import { refsKey } from '../../storage/refs.ts'
import { countCommands } from './counts.ts'
import { indexCommands, needsOf } from './indexes.ts'
import { type ArtifactSummary, isTerminal, type JobEvent, type JobRecord } from './job.ts'
import { artifactKey, eventCounterKey, eventsKey, jobKey, openKey, ownedKey } from './keys.ts'
import { observe } from './observe.ts'
import { fieldsOf } from './parts.ts'
import { IF_EXISTS, intentCommands } from './webhook-intent.ts'

export interface JobWrite {
  record: JobRecord
  /** the record as it must still be; null: it must not exist */
  before: JobRecord | null
  event?: { type: JobEvent['type']; data: Record<string, unknown> }
  artifacts?: ArtifactSummary[]
  /** this write ends an attempt whose worker died, or which a fault of its machine ended */
  counts?: 'lost_attempts' | 'faults'
}

type WriteDeps = Pick<Deps, 'config' | 'redis' | 'metrics'>
type Command = (string | number)[]

const MAX_EVENTS = 1000
/** longer than any job may wait and run */
const WORK_SECONDS = 15 * 86_400
/** Stands in a command for the id of the event. */
export const EVENT_ID = '$event'

/**
 * Lua: runs the commands of ARGV[2] with the id of their event, in which KEYS[2] is the stream and KEYS[3] the counter. Ids are `<milliseconds>-<count over all
 * streams>`: they grow within a stream even when the clock steps back, and no two streams share one, so that they can name webhooks.
 */
export const RUN_WITH_EVENT = `
local time = redis.call('TIME')
local ms = time[1] * 1000 + math.floor(time[2] / 1000)
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
if last then ms = math.max(ms, tonumber(string.match(last[1], '^%d+'))) end
local event = string.format('%.0f-%d', ms, redis.call('INCR', KEYS[3]))
for _, command in ipairs(cjson.decode(ARGV[2])) do
  for i, word in ipairs(command) do if word == '${EVENT_ID}' then command[i] = event end end
  if command[1] ~= '${IF_EXISTS}' then redis.call(unpack(command))
  elseif redis.call('EXISTS', command[2]) == 1 then redis.call(unpack(command, 3)) end
end`

/**
 * Runs the commands if the job has the expected version and the admission, if there is one, allows it.
 */
const WRITE = `
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then return 0 end
for i = 5, #KEYS do if redis.call('EXISTS', KEYS[i]) == 0 then return -i end end
for _, held in ipairs(cjson.decode(ARGV[4])) do if redis.call('SISMEMBER', held[1], held[2]) == 0 then return 0 end end
if ARGV[5] ~= '' then
  local twin = redis.call('GET', ARGV[5])
  if ARGV[6] == '1' and twin and redis.call('SISMEMBER', KEYS[4], twin) == 1 then return twin end
end
if tonumber(ARGV[3]) >= 0 and redis.call('SCARD', KEYS[4]) >= tonumber(ARGV[3]) then return 0 end
${RUN_WITH_EVENT}
if ARGV[5] ~= '' then redis.call('SET', ARGV[5], ARGV[7], 'EX', ${WORK_SECONDS}) end
return 1`

/** False: the record was another one by then and nothing was written. */
export async function writeJob(deps: WriteDeps, write: JobWrite): Promise<boolean> {
  return (await send(deps, write)) === WRITTEN
}

/** What else must hold when a job is accepted: keys that must exist, and how many unfinished jobs its owner may have. */
export interface Admission {
  required: readonly string[]
  maxUnfinished: number
  /** key under which the latest job that does this work is found */
  work: string
  /** whether an unfinished one is enough */
  deduplicate: boolean
}

export type Admitted = { written: true } | { written: false; missing: string | null; twin?: string }

/** `twin`: the unfinished job that does the same work; `missing`: a required key that does not exist; null: there is no room for another job. */
export async function writeNewJob(deps: WriteDeps, write: JobWrite, admission: Admission): Promise<Admitted> {
  const answer = await send(deps, write, admission)
  if (answer === WRITTEN) return { written: true }
  if (typeof answer === 'string') return { written: false, missing: null, twin: answer }
  return { written: false, missing: admission.required[-answer - 1 - OWN_KEYS] ?? null }
}

const WRITTEN = 1
/** keys of every write; those of an admission follow */
const OWN_KEYS = 4
const NO_LIMIT = -1

async function send(deps: WriteDeps, write: JobWrite, admission?: Admission): Promise<number | string> {
  const { id, owner } = write.record
  const own = [jobKey(deps, id), eventsKey(deps, id), eventCounterKey(deps), unfinishedKey(deps, owner)]
  const keys = [...own, ...(admission?.required ?? [])]
  const words = [
    String(write.before?.version ?? 0),
    JSON.stringify(commandsOf(deps, write)),
    admission?.maxUnfinished ?? NO_LIMIT,
    JSON.stringify(heldBy(deps, write)),
    admission?.work ?? '',
    admission?.deduplicate ? 1 : 0,
    id,
  ]
  const answer = (await deps.redis.eval(WRITE, keys.length, ...keys, ...words)) as number | string
  if (answer === WRITTEN) observe(deps.metrics, write.record, write.before)
  return answer
}

/** References without which artifacts would have no bytes: the collector may have taken what waited for long. */
const heldBy = (deps: WriteDeps, { artifacts = [] }: JobWrite): [string, string][] =>
  artifacts.map(({ id, sha256 }) => [refsKey(deps, sha256), `artifact:${id}`])

function commandsOf(deps: WriteDeps, write: JobWrite): Command[] {
  const { record, before, artifacts = [], counts } = write
  const key = jobKey(deps, record.id)
  return [
    ['HSET', key, ...fieldsOf(record, before ? changesOf(record, before) : undefined)],
    ...(counts ? [['HINCRBY', key, counts, 1]] : []),
    ...indexCommands(deps, record, before),
    ...countCommands(deps, record, before),
    ...openCommands(deps, record, before),
    ...artifacts.map((one) => ['SET', artifactKey(deps, one.id), JSON.stringify({ ...one, owner: record.owner })]),
    ...bytesCommands(deps, record.owner, artifacts),
    ...eventCommands(deps, write),
    ['PUBLISH', changesChannel(deps.config), record.id],
  ]
}

/** What a job made counts among the bytes of its owner. */
function bytesCommands(deps: WriteDeps, owner: string, artifacts: readonly ArtifactSummary[]): Command[] {
  const bytes = artifacts.reduce((sum, { size_bytes }) => sum + size_bytes, 0)
  return bytes > 0 ? [['INCRBY', bytesKey(deps, owner), bytes]] : []
}

/** Names of the properties that are others: whoever changes one makes it new. */
const changesOf = (record: JobRecord, before: JobRecord): string[] =>
  Object.entries(record).flatMap(([name, value]) => (before[name as keyof JobRecord] === value ? [] : [name]))

/** What is unfinished is listed as such, and as needing its model and data. */
function openCommands(deps: WriteDeps, { id, owner, status, request }: JobRecord, before: JobRecord | null): Command[] {
  const ended = isTerminal(status)
  if (before && isTerminal(before.status) === ended) return []
  const change = ended ? 'SREM' : 'SADD'
  const keys = [openKey(deps), unfinishedKey(deps, owner), ...needsOf(request).map((need) => neededKey(deps, need.id))]
  return [...(before ? [] : [['ZADD', ownedKey(deps, owner), 0, id]]), ...keys.map((key) => [change, key, id])]
}

function eventCommands(deps: WriteDeps, { record, event }: JobWrite): Command[] {
  if (!event) return []
  const created_at = new Date().toISOString()
  const json = JSON.stringify({ ...event, created_at })
  const add = ['XADD', eventsKey(deps, record.id), 'MAXLEN', '~', MAX_EVENTS, EVENT_ID, 'json', json]
  return [add, ...intentCommands(deps, { record, type: event.type, timestamp: created_at }, EVENT_ID)]
}
