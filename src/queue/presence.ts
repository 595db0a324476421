/** Which processes are alive: each says so every few seconds, by Redis's clock, because those of machines differ. */
import { hostname } from 'node:os'
import type { Deps } from '../deps.ts'

export const PRESENT = ['worker', 'notify'] as const
export type Present = (typeof PRESENT)[number]

type PresenceDeps = Pick<Deps, 'config' | 'redis'>

/** silent for so long is gone */
const SECONDS = 30

const ANNOUNCE = `
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ${SECONDS})
return redis.call('ZADD', KEYS[1], now, ARGV[1])`

const COUNT = `return redis.call('ZCOUNT', KEYS[1], tonumber(redis.call('TIME')[1]) - ${SECONDS}, '+inf')`

const keyOf = ({ config }: Pick<Deps, 'config'>, kind: Present): string => `${config.REDIS_PREFIX}:alive:${kind}`
const ownName = (): string => `${hostname()}.${process.pid}`

/** To be repeated. */
export async function announce(deps: PresenceDeps, kind: Present): Promise<void> {
  await deps.redis.eval(ANNOUNCE, 1, keyOf(deps, kind), ownName())
}

/** At the end of a process; one that dies is missed later. */
export async function leave(deps: PresenceDeps, kind: Present): Promise<void> {
  await deps.redis.zrem(keyOf(deps, kind), ownName()).catch(() => {})
}

export async function countPresent(deps: PresenceDeps, kind: Present): Promise<number> {
  return Number(await deps.redis.eval(COUNT, 1, keyOf(deps, kind)))
}
