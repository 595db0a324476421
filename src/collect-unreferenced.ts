/** Deletes bytes that no record refers to: what processes that were killed, or a Redis that was away, left in the store. */
import { setTimeout as delay } from 'node:timers/promises'
import { ulid } from 'ulid'
import { datasetKey } from './datasets/keys.ts'
import type { Deps } from './deps.ts'
import { artifactKey } from './jobs/record/keys.ts'
import { loadJob } from './jobs/record/load-job.ts'
import { modelKey } from './models/keys.ts'
import { messageOf } from './shared/errors.ts'
import { uploadingKey } from './storage/receive.ts'
import { refsKey, release, withDigest } from './storage/refs.ts'
import { uploadKey } from './uploads/keys.ts'

type KeyOf = (deps: Deps, id: string) => string

/** By the kind of a reference: the key that is there as long as what the reference stands for. */
const HOLDERS: Record<string, KeyOf> = {
  model: modelKey,
  dataset: datasetKey,
  artifact: artifactKey,
  upload: uploadingKey,
  part: uploadKey,
}

/** What nobody referred to at one look, and when that was first so: references as `digest reference`, objects as `digest`. */
export type Suspects = ReadonlyMap<string, number>

interface Look {
  deps: Deps
  /** of the look before */
  before: Suspects
  now: Suspects & Map<string, number>
  graceMs: number
  /** when this Redis began to keep records: what is older may belong to those of another one */
  since: number
}

const BATCH = 200
/** an upload that nobody wrote to for so long has lost its process: the API cuts silent connections sooner */
const UNFINISHED_MS = 600_000

/**
 * Looks at every reference and every object once. What has been without an owner for `graceMs` goes; the rest is what the next call is
 * given. A record that is being made has its references a moment before it is there: that is what the grace is for.
 */
export async function collectUnreferenced(deps: Deps, before: Suspects, graceMs: number): Promise<Suspects> {
  const look: Look = { deps, before, now: new Map(), graceMs, since: await firstLook(deps) }
  for await (const digests of referred(deps)) await Promise.all(digests.map((sha256) => lookAtReferences(look, sha256)))
  for await (const digests of deps.store.list(BATCH))
    await Promise.all(digests.map((sha256) => lookAtObject(look, sha256)))
  await deps.store.removeUnfinished(UNFINISHED_MS)
  return look.now
}

/** A Redis that lost its records, or the wrong one, must not cost the bytes. */
async function firstLook({ config, redis }: Deps): Promise<number> {
  const key = `${config.REDIS_PREFIX}:collecting-since`
  await redis.set(key, Date.now(), 'NX')
  return Number(await redis.get(key))
}

async function* referred(deps: Deps): AsyncGenerator<string[]> {
  const prefix = refsKey(deps, '')
  let cursor = '0'
  do {
    const [next, keys] = await deps.redis.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', BATCH)
    yield keys.map((key) => key.slice(prefix.length))
    cursor = next
  } while (cursor !== '0')
}

async function lookAtReferences(look: Look, sha256: string): Promise<void> {
  const { deps } = look
  for (const ref of await deps.redis.smembers(refsKey(deps, sha256))) {
    const holder = holderOf(deps, ref)
    const isHeld = holder === null ? await isCheckpoint(deps, ref, sha256) : await isKey(deps, holder)
    if (isHeld || !isOverdue(look, `${sha256} ${ref}`)) continue
    await release(deps, sha256, ref, holder ?? undefined)
    deps.log.warn({ sha256, ref }, 'a reference of nobody is gone')
  }
}

function holderOf(deps: Deps, ref: string): string | null {
  const [kind = '', id = ''] = ref.split(':')
  return Object.hasOwn(HOLDERS, kind) ? HOLDERS[kind]!(deps, id) : null
}

/** Whether the job still goes on from there. What is no reference that we know is nobody's to take. */
async function isCheckpoint(deps: Deps, ref: string, sha256: string): Promise<boolean> {
  const [kind, id = ''] = ref.split(':')
  return kind !== 'checkpoint' || (await loadJob(deps, id))?.record.checkpoint?.sha256 === sha256
}

const isKey = async ({ redis }: Deps, key: string): Promise<boolean> => (await redis.exists(key)) === 1

async function lookAtObject(look: Look, sha256: string): Promise<void> {
  const { deps } = look
  const isReferred = () => isKey(deps, refsKey(deps, sha256))
  if (await isReferred()) return
  const storedAt = await deps.store.storedAt(sha256)
  if (storedAt === null || storedAt < look.since || !isOverdue(look, sha256)) return
  await withDigest(deps, sha256, async () => {
    if (!(await isReferred())) await deps.store.delete(sha256)
  })
  deps.log.warn({ sha256 }, 'an object of nobody is gone')
}

function isOverdue({ before, now, graceMs }: Look, what: string): boolean {
  const first = before.get(what) ?? Date.now()
  now.set(what, first)
  return before.has(what) && Date.now() - first >= graceMs
}

/** how much longer a look may pause than it took */
const LAZINESS = 10

/** Looks again and again, in one process at a time. Returns what stops it. */
export function startCollecting(deps: Deps): () => Promise<void> {
  const stop = new AbortController()
  const ended = keepLooking(deps, stop.signal)
  return () => {
    stop.abort()
    return ended
  }
}

async function keepLooking(deps: Deps, signal: AbortSignal): Promise<void> {
  const pauseMs = deps.config.COLLECTION_SECONDS * 1000
  const self = ulid()
  let suspects: Suspects = new Map()
  while (!signal.aborted) {
    const started = Date.now()
    try {
      suspects = (await isOurTurn(deps, self, 3 * pauseMs))
        ? await collectUnreferenced(deps, suspects, pauseMs)
        : new Map()
    } catch (error) {
      deps.log.warn({ reason: messageOf(error) }, 'bytes of nobody are not collected at the moment')
    }
    const pause = Math.max(pauseMs, LAZINESS * (Date.now() - started))
    await delay(pause, undefined, { signal, ref: false }).catch(() => {})
  }
}

const TURN = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`

async function isOurTurn({ config, redis }: Deps, self: string, leaseMs: number): Promise<boolean> {
  return (await redis.eval(TURN, 1, `${config.REDIS_PREFIX}:collecting`, self, leaseMs)) === 1
}
