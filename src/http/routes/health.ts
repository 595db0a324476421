/** /livez and /readyz: is the process there, and can it work. */
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { ulid } from 'ulid'
import { z } from 'zod'
import type { Deps } from '../../deps.ts'
import { requireConfinement } from '../../queue/confinement.ts'
import { countPresent, type Present } from '../../queue/presence.ts'
import { FewbitError, messageOf } from '../../shared/errors.ts'
import { endpoint } from '../endpoint.ts'
import { answer } from '../shapes.ts'

const CHECK_MS = 1500
const WRITTEN_SECONDS = 60
const Check = z.object({ ok: z.boolean(), detail: z.string() })

export const Health = z.object({
  status: z
    .enum(['ok', 'degraded', 'unavailable'])
    .describe('degraded: jobs are accepted and wait, because a process that would go on with them is missing'),
  checks: z.record(z.string(), Check),
})

interface CheckRow {
  /** Throws what is wrong. Resolves to a word about it. */
  look(deps: Deps): Promise<unknown>
  /** whether the API can answer without it */
  optional?: true
}

const CHECKS: Record<string, CheckRow> = {
  redis: { look: ({ redis }) => redis.ping() },
  redis_write: { look: writeToRedis },
  store: { look: writeAndDelete },
  sandbox: { look: requireConfinement },
  // without them nothing is lost, and an autoscaler may have stopped the last one while nothing was queued
  workers: { look: (deps) => requirePresent(deps, 'worker'), optional: true },
  notify: { look: (deps) => requirePresent(deps, 'notify'), optional: true },
}

export const live = endpoint(
  {
    operationId: 'getLiveness',
    'x-scope': 'none',
    tags: ['health'],
    summary: 'Is the process alive',
    description: 'Answers without looking at anything else.',
    response: { 200: answer('It is', Health) },
  },
  () => ({ status: 'ok', checks: {} }),
)

export const ready = endpoint(
  {
    operationId: 'getReadiness',
    'x-scope': 'none',
    tags: ['health'],
    summary: 'Can the service work',
    description:
      'Asks Redis, writes to it and to the store, looks whether workers miss a sandbox that they require, and whether any worker and sender of webhooks is alive.',
    response: { 200: answer('It can', Health), 503: answer('Something does not work', Health) },
  },
  async ({ deps, reply }) => {
    const results = await Promise.all(
      Object.entries(CHECKS).map(async ([name, row]) => ({ name, row, found: await run(row, deps) })),
    )
    const missing = results.filter(({ found }) => !found.ok)
    const works = missing.every(({ row }) => row.optional)
    const status = !works ? 'unavailable' : missing.length > 0 ? 'degraded' : 'ok'
    const checks = Object.fromEntries(results.map(({ name, found }) => [name, found]))
    return reply.code(works ? 200 : 503).send({ status, checks })
  },
)

async function run({ look, optional }: CheckRow, deps: Deps): Promise<z.infer<typeof Check>> {
  const late = delay(CHECK_MS, undefined, { ref: false }).then(() => Promise.reject(new Error('no answer in time')))
  try {
    const said = await Promise.race([look(deps), late])
    return { ok: true, detail: typeof said === 'number' ? String(said) : 'ok' }
  } catch (error) {
    if (!optional) deps.log.warn({ err: error }, 'readiness')
    const isClear = error instanceof FewbitError || messageOf(error).startsWith('no answer')
    return { ok: false, detail: isClear ? messageOf(error) : 'failed' }
  } finally {
    late.catch(() => {})
  }
}

/** A replica, a Redis without memory and one whose disk is full answer PING, but take no job. */
async function writeToRedis({ redis, config }: Deps): Promise<void> {
  const written = redis.set(`${config.REDIS_PREFIX}:readiness`, new Date().toISOString(), 'EX', WRITTEN_SECONDS)
  await written.catch((error) => {
    throw new FewbitError('unavailable', 'Redis takes no write', { cause: error })
  })
}

async function requirePresent(deps: Deps, kind: Present): Promise<number> {
  const count = await countPresent(deps, kind)
  if (count === 0) throw new FewbitError('unavailable', `no ${kind} process is alive`)
  return count
}

async function writeAndDelete({ store }: Deps): Promise<void> {
  const { sha256 } = await store.put(Readable.from([Buffer.from(ulid())]), { maxBytes: 100 })
  await store.delete(sha256)
}
