/** What every part of the API keeps: problems, pages, methods, health. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { TARGET_NAMES } from '../../src/contract/recipe.ts'
import { type Api, startApi } from '../kit/api.ts'
import { call, create, post, startJob } from '../kit/client.ts'
import { convNet, mlp } from '../kit/model.ts'

interface Problem {
  code: string
  errors?: { pointer: string; detail: string }[]
}

describe('conventions', () => {
  let api: Api
  before(async () => {
    api = await startApi()
  })
  after(() => api.close())

  test('an unknown path, id and method', async () => {
    assert.deepEqual([(await call(`${api.url}/v1/nothing`)).status], [404])
    const missing = await call<Problem>(`${api.url}/v1/models/mdl_01arz3ndektsv4rrffq69g5fav`)
    assert.deepEqual([missing.status, missing.body.code], [404, 'not_found'])
    const method = await call<Problem>(`${api.url}/v1/jobs`, { method: 'PUT' })
    assert.deepEqual([method.status, method.body.code], [405, 'method_not_allowed'])
    assert.match(method.headers.get('allow') ?? '', /POST/)
  })

  test('a bad job request points to every mistake', async () => {
    const { status, body } = await post<Problem>(`${api.url}/v1/jobs`, {
      model_id: 5,
      target: 'toaster',
      method: { type: 'static', observer: 'crystal-ball' },
      surprise: true,
    })
    assert.deepEqual([status, body.code], [422, 'invalid_request'])
    const pointers = body.errors!.map(({ pointer }) => pointer)
    for (const pointer of ['/model_id', '/target', '/method/observer'])
      assert.ok(pointers.includes(pointer), String(pointers))
  })

  test('JSON that is none is 400; another type is 415', async () => {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"a":' }
    assert.equal((await call(`${api.url}/v1/jobs`, init)).status, 400)
    assert.equal((await call(`${api.url}/v1/jobs`, { ...init, headers: { 'content-type': 'text/csv' } })).status, 415)
  })

  test('a target that cannot do the method, a pattern that is none, a model that is not there', async () => {
    const model_id = await create(api.url, 'models', convNet())
    const mismatch = await post<Problem>(`${api.url}/v1/jobs`, {
      model_id,
      target: 'gpu-float16',
      method: { type: 'dynamic' },
    })
    assert.deepEqual([mismatch.status, mismatch.body.code], [422, 'target_method_mismatch'])
    const pattern = { model_id, target: 'cpu-int8', method: { type: 'dynamic' }, exclude: { nodes: ['(['] } }
    assert.equal((await post<Problem>(`${api.url}/v1/jobs`, pattern)).body.errors?.[0]?.pointer, '/exclude/nodes/0')
    const unknown = { model_id: 'mdl_01arz3ndektsv4rrffq69g5fav', target: 'cpu-int8', method: { type: 'dynamic' } }
    const { status, body } = await post<Problem>(`${api.url}/v1/jobs`, unknown)
    assert.deepEqual([status, body.errors?.[0]?.pointer], [422, '/model_id'])
  })

  test('pages walk through everything once, newest first', async () => {
    const ids = new Set<string>()
    for (let seed = 10; seed < 15; seed++) ids.add(await create(api.url, 'models', mlp(seed)))
    const seen: string[] = []
    let after = ''
    do {
      const page = await call<{ data: { id: string }[]; has_more: boolean; next_cursor: string | null }>(
        `${api.url}/v1/models?limit=2${after && `&after=${after}`}`,
      )
      assert.equal(page.status, 200)
      seen.push(...page.body.data.map(({ id }) => id))
      after = page.body.has_more ? page.body.next_cursor! : ''
    } while (after)
    assert.equal(new Set(seen).size, seen.length)
    assert.deepEqual(seen, seen.toSorted().reverse())
    for (const id of ids) assert.ok(seen.includes(id))
  })

  test('a job is queued, has a weak entity tag, and keeps its model from deletion', async () => {
    const job = await startJob(api.url)
    const url = `${api.url}/v1/jobs/${job.id}`
    const first = await fetch(url)
    const etag = first.headers.get('etag')
    assert.match(etag ?? '', /^W\//)
    assert.equal((await fetch(url, { headers: { 'if-none-match': etag!, 'cache-control': 'max-age=0' } })).status, 304)
    const refused = await call<Problem>(`${api.url}/v1/models/${job.request.model_id}`, { method: 'DELETE' })
    assert.deepEqual([refused.status, refused.body.code], [409, 'in_use'])
    const canceled = await post(`${url}/cancel`, {})
    assert.ok(canceled.status < 300)
    assert.equal((await call(`${api.url}/v1/models/${job.request.model_id}`, { method: 'DELETE' })).status, 204)
    assert.equal((await call(`${api.url}/v1/models/${job.request.model_id}`)).status, 404)
  })

  test('long polling returns at the change, not at the end of the wait', async () => {
    const job = await startJob(api.url)
    const url = `${api.url}/v1/jobs/${job.id}`
    const asked = performance.now()
    const waiting = call<{ status: string }>(url, { headers: { prefer: 'wait=20' } })
    await post(`${url}/cancel`, {})
    assert.equal((await waiting).body.status, 'canceled')
    assert.ok(performance.now() - asked < 10_000)
  })

  test('targets are listed whole', async () => {
    const { body } = await call<{ data: { id: string; operators?: object; sources: string[] }[] }>(
      `${api.url}/v1/targets`,
    )
    assert.deepEqual(body.data.map(({ id }) => id).toSorted(), TARGET_NAMES.toSorted())
    assert.ok(body.data.every(({ sources }) => sources.length > 0))
    const one = await call<{ id: string; operators: Record<string, unknown> }>(`${api.url}/v1/targets/cpu-int8`)
    assert.ok(one.body.operators.Conv)
  })

  test('the documents: OpenAPI and the page about it', async () => {
    const yaml = await fetch(`${api.url}/openapi.yaml`)
    assert.match(await yaml.text(), /^openapi: 3\.1/m)
    assert.equal((await fetch(`${api.url}/docs`, { redirect: 'follow' })).status, 200)
  })

  test('without Redis: 503 within 2 s, alive, not ready', async () => {
    await api.redis.kill('SIGKILL')
    const asked = performance.now()
    for (const path of ['/v1/models', '/v1/jobs']) {
      const { status, headers } = await call(`${api.url}${path}`)
      assert.equal(status, 503, path)
      assert.ok(headers.get('retry-after'))
    }
    assert.ok(performance.now() - asked < 4500, `${performance.now() - asked} ms`)
    assert.equal((await call(`${api.url}/livez`)).status, 200)
    assert.equal((await call(`${api.url}/readyz`)).status, 503)
    await api.redis.start()
  })
})
