/** Idempotency-Key: a repeated request makes nothing twice and is answered as it was the first time. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { request } from 'node:http'
import { after, before, describe, test } from 'node:test'
import type { NewApiKey } from '../../src/api-keys/api-key.ts'
import { LEASE_MS } from '../../src/idempotency/keyed-request.ts'
import { type Api, startApi } from '../kit/api.ts'
import { call, create, type Job, post } from '../kit/client.ts'
import { mlp } from '../kit/model.ts'
import { until } from '../kit/service.ts'

interface Problem {
  code: string
}

const BOOTSTRAP = 'the-operators-first-key-of-this-test'

describe('Idempotency-Key', () => {
  let api: Api
  let recipe: Record<string, unknown>
  before(async () => {
    api = await startApi({ FEWBIT_BOOTSTRAP_KEY: BOOTSTRAP })
    const model_id = await create(api.url, 'models', mlp())
    recipe = { model_id, target: 'cpu-int8', method: { type: 'dynamic' } }
  })
  after(() => api.close())

  const start = (body: unknown, key: string, headers: Record<string, string> = {}) =>
    post<Job & Problem>(`${api.url}/v1/jobs`, body, { 'idempotency-key': key, ...headers })
  const jobs = async () => (await call<{ data: Job[] }>(`${api.url}/v1/jobs?limit=100`)).body.data.length
  const recordKeys = () => api.deps.redis.keys('*:idempotency:*')

  test('the same request again is the same answer, whatever the order of its fields', async () => {
    const key = randomUUID()
    const first = await start(recipe, key)
    assert.deepEqual([first.status, first.headers.get('idempotent-replayed')], [202, null])
    const count = await jobs()
    const again = await start(Object.fromEntries(Object.entries(recipe).toReversed()), key)
    assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [202, 'true'])
    assert.deepEqual(again.body, first.body)
    for (const name of ['location', 'etag', 'retry-after', 'content-type'])
      assert.equal(again.headers.get(name), first.headers.get(name), name)
    assert.equal(await jobs(), count)
  })

  test('another payload, or another query, under the same key is refused and makes nothing', async () => {
    const key = randomUUID()
    await start(recipe, key)
    const count = await jobs()
    const other = await start({ ...recipe, seed: 5 }, key)
    assert.deepEqual([other.status, other.body.code], [422, 'idempotency_key_reused'])
    assert.equal((await start(recipe, key)).headers.get('idempotent-replayed'), 'true')
    assert.equal(await jobs(), count)
  })

  test('of many at once one runs; the others are told so, or given its answer', async () => {
    const key = randomUUID()
    const count = await jobs()
    const answers = await Promise.all(Array.from({ length: 12 }, () => start(recipe, key)))
    for (const { status, body, headers } of answers) {
      if (status === 409) assert.deepEqual([body.code, headers.get('retry-after')], ['idempotency_key_in_use', '2'])
      else assert.equal(status, 202)
    }
    assert.equal(new Set(answers.flatMap(({ status, body }) => (status === 202 ? [body.id] : []))).size, 1)
    assert.equal(await jobs(), count + 1)
  })

  test('a refused request leaves its key free for a better one', async () => {
    const key = randomUUID()
    assert.equal((await start({ ...recipe, model_id: 'mdl_none' }, key)).status, 422)
    assert.equal((await start({ ...recipe, target: 'nothing' }, key)).status, 422)
    assert.equal((await start(recipe, key)).status, 202)
  })

  test('whose first end nobody knows is found again by its id', async () => {
    const key = randomUUID()
    const before = await recordKeys()
    const first = await start(recipe, key)
    const [record] = (await recordKeys()).filter((name) => !before.includes(name))
    assert.ok(record)
    const ttl = await api.deps.redis.pttl(record)
    assert.ok(ttl > 23 * 3_600_000 && ttl <= 24 * 3_600_000, String(ttl))
    // as a process leaves it that dies between its write and its answer
    await api.deps.redis.hdel(record, 'answer')
    await api.deps.redis.hset(record, 'token', 'of-the-dead', 'until', Date.now() + LEASE_MS)
    assert.equal((await start(recipe, key)).body.code, 'idempotency_key_in_use')
    await api.deps.redis.hset(record, 'until', Date.now() - 1)
    assert.equal((await start({ ...recipe, seed: 6 }, key)).body.code, 'idempotency_key_reused')
    const count = await jobs()
    const again = await start(recipe, key)
    assert.deepEqual([again.status, again.body.id, await jobs()], [202, first.body.id, count])
  })

  test('of an upload the bytes count, not their wrapping', async () => {
    const key = randomUUID()
    const send = (bytes: Uint8Array) => {
      const form = new FormData()
      form.set('file', new Blob([bytes as Uint8Array<ArrayBuffer>]), 'm.onnx')
      const headers = { 'idempotency-key': key }
      return call<Problem & { id: string }>(`${api.url}/v1/models`, { method: 'POST', body: form, headers })
    }
    const first = await send(mlp(41))
    assert.equal(first.status, 201)
    const again = await send(mlp(41))
    assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [201, 'true'])
    const stored = (await api.storedFiles()).toSorted()
    const other = await send(mlp(42))
    assert.deepEqual([other.status, other.body.code], [422, 'idempotency_key_reused'])
    assert.deepEqual((await api.storedFiles()).toSorted(), stored)
  })

  test('while an upload arrives its key is taken, and free again when the client goes away', async () => {
    const key = randomUUID()
    const headers = { 'content-type': 'application/octet-stream', 'content-length': 90_000, 'idempotency-key': key }
    const slow = request(`${api.url}/v1/models`, { method: 'POST', headers }).on('error', () => {})
    const before = await recordKeys()
    slow.write(Buffer.alloc(1000))
    await until(async () => (await recordKeys()).length > before.length, 'nothing began')
    const send = () =>
      call<Problem>(`${api.url}/v1/models`, {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream', 'idempotency-key': key },
        body: mlp(43) as Uint8Array<ArrayBuffer>,
      })
    assert.equal((await send()).body.code, 'idempotency_key_in_use')
    slow.destroy()
    await until(async () => (await send()).status === 201, 'the key stays taken')
  })

  test('owners do not meet in a key, and a secret that is shown again lies nowhere', async () => {
    const asOperator = { authorization: `Bearer ${BOOTSTRAP}` }
    const key = randomUUID()
    const make = (owner: string) =>
      post<NewApiKey>(
        `${api.url}/v1/api-keys`,
        { name: 'k', scopes: ['admin', 'read', 'write'], owner },
        { ...asOperator, 'idempotency-key': key },
      )
    const made = await make('acme')
    assert.equal(made.status, 201)
    assert.equal((await make('acme')).body.key, made.body.key)
    for (const name of await recordKeys()) {
      const kept = JSON.stringify(await api.deps.redis.hgetall(name))
      assert.ok(!kept.includes(made.body.key) && !name.includes(key) && !kept.includes(key))
    }
    const shared = randomUUID()
    await start(recipe, shared)
    const theirs = await start(recipe, shared, { authorization: `Bearer ${made.body.key}` })
    assert.deepEqual([theirs.status, theirs.body.code], [422, 'invalid_request'])
  })

  test('a key that is none is refused', async () => {
    for (const key of ['two words', 'x'.repeat(256)]) {
      const { status, body } = await start(recipe, key)
      assert.deepEqual([status, body.code], [422, 'invalid_request'], key)
    }
  })
})
