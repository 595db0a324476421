/** /livez and /readyz: is the process there, and can it work. */
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { ulid } from 'ulid'
import { z } from 'zod'
import type { Deps } from '../../deps.ts'
import { requireConfinement } from '../../queue/confinement.ts'
import { FewbitError, messageOf } from '../../shared/errors.ts'
import { endpoint } from '../endpoint.ts'
import { answer } from '../shapes.ts'

const CHECK_MS = 1500
const Check = z.object({ ok: z.boolean(), detail: z.string() })

export const Health = z.object({ status: z.enum(['ok', 'unavailable']), checks: z.record(z.string(), Check) })

const CHECKS: Record<string, (deps: Deps) => Promise<unknown>> = {
  redis: ({ redis }) => redis.ping(),
  store: writeAndDelete,
  sandbox: requireConfinement,
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
    description: 'Asks Redis, writes to the store, and looks whether workers miss a sandbox that they require.',
    response: { 200: answer('It can', Health), 503: answer('Something does not work', Health) },
  },
  async ({ deps, reply }) => {
    const names = Object.keys(CHECKS)
    const results = await Promise.all(names.map((name) => run(CHECKS[name]!, deps)))
    const ok = results.every((result) => result.ok)
    const checks = Object.fromEntries(names.map((name, i) => [name, results[i]]))
    return reply.code(ok ? 200 : 503).send({ status: ok ? 'ok' : 'unavailable', checks })
  },
)

async function run(check: (deps: Deps) => Promise<unknown>, deps: Deps): Promise<z.infer<typeof Check>> {
  const late = delay(CHECK_MS, undefined, { ref: false }).then(() => Promise.reject(new Error('no answer in time')))
  try {
    await Promise.race([check(deps), late])
    return { ok: true, detail: 'ok' }
  } catch (error) {
    deps.log.warn({ err: error }, 'readiness')
    const isClear = error instanceof FewbitError || messageOf(error).startsWith('no answer')
    return { ok: false, detail: isClear ? messageOf(error) : 'failed' }
  } finally {
    late.catch(() => {})
  }
}

async function writeAndDelete({ store }: Deps): Promise<void> {
  const { sha256 } = await store.put(Readable.from([Buffer.from(ulid())]), { maxBytes: 100 })
  await store.delete(sha256)
}
