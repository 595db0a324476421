/** /readyz has a line for each thing that the API needs, and says which one is missing. */
import assert from 'node:assert/strict'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { announce, leave } from '../../src/queue/presence.ts'
import { type Api, startApi } from '../kit/api.ts'
import { call } from '../kit/client.ts'

interface Health {
  status: string
  checks: Record<string, { ok: boolean; detail: string }>
}

describe('readiness', () => {
  let api: Api
  before(async () => {
    api = await startApi()
  })
  after(() => api.close())

  const look = async () => {
    const { status, body } = await call<Health>(`${api.url}/readyz`)
    const missing = Object.entries(body.checks).flatMap(([name, { ok }]) => (ok ? [] : [name]))
    return { code: status, status: body.status, missing, checks: body.checks }
  }

  test('without a worker jobs wait: degraded, and still 200', async () => {
    const { code, status, missing } = await look()
    assert.deepEqual({ code, status, missing }, { code: 200, status: 'degraded', missing: ['workers', 'notify'] })
  })

  test('with both it is ok, and says how many there are', async () => {
    await announce(api.deps, 'worker')
    await announce(api.deps, 'notify')
    const { code, status, checks } = await look()
    assert.deepEqual([code, status, checks.workers?.detail], [200, 'ok', '1'])
    await leave(api.deps, 'worker')
    assert.deepEqual((await look()).missing, ['workers'])
    await announce(api.deps, 'worker')
  })

  test('a worker that was silent for half a minute is gone', async () => {
    const key = `${api.deps.config.REDIS_PREFIX}:alive:worker`
    const [name] = (await api.deps.redis.call('ZRANGE', key, 0, -1)) as string[]
    await api.deps.redis.zincrby(key, -31, String(name))
    assert.deepEqual((await look()).missing, ['workers'])
    await announce(api.deps, 'worker')
  })

  test('a Redis that answers but takes no write: 503, and only that line', async () => {
    await api.deps.redis.config('SET', 'maxmemory', '1')
    const { code, status, missing, checks } = await look()
    await api.deps.redis.config('SET', 'maxmemory', '0')
    assert.deepEqual([code, status, missing], [503, 'unavailable', ['redis_write']])
    assert.equal(checks.redis_write?.detail, 'Redis takes no write')
    assert.equal((await look()).status, 'ok')
  })

  test('a store that is not there: 503, and only that line', async () => {
    const store = join(api.redis.directory, 'store')
    await rename(store, `${store}.away`)
    const { code, missing } = await look()
    await rename(`${store}.away`, store)
    assert.deepEqual([code, missing], [503, ['store']])
  })
})
