/** Requests that carry an Idempotency-Key: one of them runs, and the others are given its answer (draft-ietf-httpapi-idempotency-key-header). */
import { createHash } from 'node:crypto'
import { ulid } from 'ulid'
import type { Deps } from '../deps.ts'
import { FewbitError } from '../shared/errors.ts'
import { type KeptAnswer, type KeyScope, open, seal } from './sealed-answer.ts'

type KeyDeps = Pick<Deps, 'config' | 'redis'>

/** The right to answer for a key, or the answer that there is. */
export interface KeyedRequest {
  scope: KeyScope
  token: string
  /** ULID of what this request makes, the same when it runs again because its first end is not known */
  reserved: string
  /** of the payload that used the key before; null: none did, as far as is known */
  fingerprint: string | null
  answer: KeptAnswer | null
}

/** a process that died holds a key no longer than this */
export const LEASE_MS = 60_000
const KEPT_MS = 24 * 3_600_000

/** Redis sees only a hash of the key: it opens the answer. */
function keyOf({ config }: KeyDeps, { owner, route, key }: KeyScope): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([owner, route, key]))
    .digest('hex')
  return `${config.REDIS_PREFIX}:idempotency:${hash}`
}

const BEGIN = `
local answer = redis.call('HGET', KEYS[1], 'answer')
local print = redis.call('HGET', KEYS[1], 'fingerprint') or ''
if answer then return {'done', print, redis.call('HGET', KEYS[1], 'reserved'), answer} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(redis.call('HGET', KEYS[1], 'until') or '0') > now then return {'running'} end
redis.call('HSETNX', KEYS[1], 'reserved', ARGV[2])
redis.call('HSET', KEYS[1], 'token', ARGV[1], 'until', string.format('%.0f', now + ARGV[3]))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {'begun', print, redis.call('HGET', KEYS[1], 'reserved')}`

/** Throws idempotency_key_in_use while another request with this key runs. */
export async function beginKeyed(deps: KeyDeps, scope: KeyScope): Promise<KeyedRequest> {
  const token = ulid()
  const words = [token, ulid().toLowerCase(), LEASE_MS, KEPT_MS]
  const [state, fingerprint, reserved = '', sealed] = (await deps.redis.eval(
    BEGIN,
    1,
    keyOf(deps, scope),
    ...words,
  )) as string[]
  if (state === 'running')
    throw new FewbitError('idempotency_key_in_use', 'the first request with this Idempotency-Key has not ended yet')
  const answer = sealed === undefined ? null : open(scope, sealed)
  return { scope, token, reserved, fingerprint: fingerprint || null, answer }
}

/** Whether the payload is the one that the key stands for; the first one says which. Throws idempotency_key_reused. */
export async function bindPayload(deps: KeyDeps, keyed: KeyedRequest, fingerprint: string): Promise<void> {
  if (keyed.fingerprint === null) return void (await change(deps, keyed, [['HSET', 'fingerprint', fingerprint]]))
  if (keyed.fingerprint !== fingerprint)
    throw new FewbitError('idempotency_key_reused', 'this Idempotency-Key was used for another request', {
      hint: 'Send a new key with each new request, and the same key only to repeat one.',
    })
}

export async function keepAnswer(deps: KeyDeps, keyed: KeyedRequest, answer: KeptAnswer): Promise<void> {
  const commands = [
    ['HSET', 'answer', seal(keyed.scope, answer)],
    ['HDEL', 'until', 'token'],
    ['PEXPIRE', KEPT_MS],
  ]
  await change(deps, keyed, commands)
}

/** Nothing was made: the key is free again, for any payload. */
export const forgetKey = (deps: KeyDeps, keyed: KeyedRequest): Promise<void> => change(deps, keyed, [['DEL']])

/** Nobody knows whether something was made: the same payload may come again. */
export const leaveKey = (deps: KeyDeps, keyed: KeyedRequest): Promise<void> => change(deps, keyed, [['HDEL', 'until']])

const HOLD = `
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2]))
return 1`

/** The request still runs. */
export async function holdKey(deps: KeyDeps, { scope, token }: KeyedRequest): Promise<void> {
  await deps.redis.eval(HOLD, 1, keyOf(deps, scope), token, LEASE_MS)
}

const CHANGE = `
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
for _, command in ipairs(cjson.decode(ARGV[2])) do
  table.insert(command, 2, KEYS[1])
  redis.call(unpack(command))
end
return 1`

/** Does nothing once another request has the key. */
async function change(deps: KeyDeps, { scope, token }: KeyedRequest, commands: (string | number)[][]): Promise<void> {
  await deps.redis.eval(CHANGE, 1, keyOf(deps, scope), token, JSON.stringify(commands))
}
