/** Owners are apart: every operation of the OpenAPI document is called as another owner, as nobody and with too narrow a key. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { NewApiKey } from '../../src/api-keys/api-key.ts'
import { type Api, startApi } from '../kit/api.ts'
import { type Answer, call } from '../kit/client.ts'
import { randomData } from '../kit/data.ts'
import { finishAsWorker } from '../kit/finished-job.ts'
import { convNet, IMAGE, mlp } from '../kit/model.ts'

const BOOTSTRAP = 'the-operators-first-key-of-this-test'

interface Operation {
  security: object[]
  'x-scope'?: string
}
interface Owned {
  keys: Record<'all' | 'read' | 'write' | 'admin' | 'none', string>
  /** by prefix of the path */
  ids: Record<string, string>
}

describe('owners', () => {
  let api: Api
  let operations: { method: string; path: string; scope: string | undefined }[]
  let acme: Owned
  let other: Owned
  before(async () => {
    api = await startApi({ REQUIRE_KEYS: 'true', FEWBIT_BOOTSTRAP_KEY: BOOTSTRAP })
    const document = await call<{ paths: Record<string, Record<string, Operation>> }>(`${api.url}/openapi.json`)
    operations = Object.entries(document.body.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, { security, 'x-scope': scope }]) => ({
        method: method.toUpperCase(),
        path,
        scope: security.length > 0 ? scope : undefined,
      })),
    )
    ;[acme, other] = [await populate('acme'), await populate('other')]
  })
  after(() => api.close())

  const send = <T = Record<string, never>>(key: string | null, method: string, path: string, body?: unknown) =>
    call<T>(`${api.url}${path}`, {
      method,
      headers: {
        ...(key !== null && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })

  async function makeKey(owner: string, scopes: string[]): Promise<NewApiKey> {
    return (await send<NewApiKey>(BOOTSTRAP, 'POST', '/v1/api-keys', { name: 'k', scopes, owner })).body
  }

  function upload(key: string, kind: string, bytes: Uint8Array): Promise<Answer<{ id: string }>> {
    return call(`${api.url}/v1/${kind}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/octet-stream' },
      body: bytes as Uint8Array<ArrayBuffer>,
    })
  }

  /** Something of each kind, the same bytes for everybody. */
  async function populate(owner: string): Promise<Owned> {
    const all = await makeKey(owner, ['read', 'write', 'admin'])
    const [read, write, admin] = await Promise.all(['read', 'write', 'admin'].map((one) => makeKey(owner, [one])))
    const model = await upload(all.key, 'models', convNet())
    const dataset = await upload(all.key, 'datasets', randomData(8, IMAGE))
    assert.deepEqual([model.status, dataset.status], [201, 201], `${owner} uploads what others have too`)
    const hook = await send<{ id: string }>(all.key, 'POST', '/v1/webhook-endpoints', {
      url: 'https://example.org/hook',
    })
    const announced = { kind: 'model', name: 'large', size_bytes: 10 }
    const parts = await send<{ id: string }>(all.key, 'POST', '/v1/uploads', announced)
    const delivery = await send<{ id: string }>(all.key, 'POST', `/v1/webhook-endpoints/${hook.body.id}/test`)
    const request = { model_id: model.body.id, target: 'cpu-int8', method: { type: 'dynamic' } }
    const job = await send<{ id: string }>(all.key, 'POST', '/v1/jobs', request)
    assert.equal(job.status, 202)
    const rows = { model_id: model.body.id, targets: ['cpu-int8'], methods: [{ type: 'dynamic' }] }
    const comparison = await send<{ id: string }>(all.key, 'POST', '/v1/comparisons', rows)
    const canceled = await send(all.key, 'POST', `/v1/comparisons/${comparison.body.id}/cancel`)
    assert.deepEqual([comparison.status, canceled.status], [202, 200])
    return {
      keys: { all: all.key, read: read!.key, write: write!.key, admin: admin!.key, none: '' },
      ids: {
        models: model.body.id,
        datasets: dataset.body.id,
        jobs: job.body.id,
        comparisons: comparison.body.id,
        artifacts: await finishAsWorker(api.deps, job.body.id),
        'api-keys': all.id,
        'webhook-endpoints': hook.body.id,
        deliveries: delivery.body.id,
        uploads: parts.body.id,
      },
    }
  }

  /** What is public for everybody who may read at all. */
  const SHARED = new Set(['targets'])
  const NO_LISTS = new Set([...SHARED, 'webhook-secret', ''])
  const kindOf = (path: string): string => path.split('/')[2] ?? ''
  /** what an operation refuses to go without */
  const bodyFor = (method: string) => (method === 'PATCH' ? {} : undefined)
  const needsKey = () => operations.filter(({ scope }) => scope !== undefined)
  const withId = () => needsKey().filter(({ path }) => path.includes('{') && !SHARED.has(kindOf(path)))

  function idIn({ ids }: Owned, path: string): string {
    const id = ids[kindOf(path)]
    assert.ok(id, `this test has nothing for ${path}`)
    return path
      .replace('{id}', id)
      .replace('{delivery_id}', ids.deliveries ?? '')
      .replace('{n}', '1')
  }

  test('every operation says which scope it needs, and only these need none', () => {
    const open = operations.filter(({ scope }) => scope === undefined).map(({ path }) => path)
    assert.deepEqual(open.toSorted(), ['/livez', '/problems', '/problems/{code}', '/readyz'])
    assert.ok(operations.length > 25)
  })

  test('nobody: 401 everywhere, for what exists and for what does not', async () => {
    for (const { method, path } of needsKey())
      for (const url of [
        SHARED.has(kindOf(path)) ? path : path.includes('{') ? idIn(acme, path) : path,
        path.replace(/\{\w+\}/, 'x'),
      ])
        for (const key of [null, 'fb_x']) assert.equal((await send(key, method, url)).status, 401, `${method} ${url}`)
  })

  test('a key without the scope: 403 everywhere, for what exists and for what does not', async () => {
    for (const { method, path, scope } of needsKey())
      for (const narrow of (['read', 'write', 'admin'] as const).filter((one) => one !== scope))
        for (const url of [
          path.includes('{') && !SHARED.has(kindOf(path)) ? idIn(acme, path) : path,
          path.replace(/\{\w+\}/, 'x'),
        ]) {
          const { status } = await send(acme.keys[narrow], method, url)
          assert.equal(status, 403, `${method} ${url} with ${narrow}`)
        }
  })

  test('another owner: 404 with the words for what does not exist', async () => {
    for (const { method, path } of withId()) {
      const url = idIn(acme, path)
      const missing = idIn({ ...acme, ids: { ...acme.ids, [kindOf(path)]: idLike(acme.ids[kindOf(path)]!) } }, path)
      const strip = ({ body }: Answer) =>
        JSON.stringify(body).replaceAll(/(mdl|ds|job|art|key|req|whe|dlv|upl|cmp)_\w+/g, '_')
      const [foreign, none] = [
        await send(other.keys.all, method, url, bodyFor(method)),
        await send(other.keys.all, method, missing, bodyFor(method)),
      ]
      assert.equal(foreign.status, 404, `${method} ${url}: ${JSON.stringify(foreign.body)}`)
      assert.equal(strip(foreign), strip(none), url)
    }
    for (const { path, method } of withId().filter(({ method }) => method === 'GET'))
      assert.ok(
        (await send(acme.keys.all, method, idIn(acme, path))).status < 300,
        `${path} is still there for its owner`,
      )
  })

  test('lists hold only what is the owner’s', async () => {
    const lists = needsKey().filter(
      ({ method, path }) => method === 'GET' && !path.includes('{') && !NO_LISTS.has(kindOf(path)),
    )
    assert.ok(lists.length >= 4)
    for (const { path } of lists) {
      for (const [mine, theirs] of [
        [acme, other],
        [other, acme],
      ] as const) {
        const text = JSON.stringify((await send(mine.keys.all, 'GET', `${path}?limit=100`)).body)
        assert.ok(text.includes(mine.ids[kindOf(path)]!), path)
        assert.ok(!text.includes(theirs.ids[kindOf(path)]!), path)
      }
    }
    const filtered = await send<{ data: unknown[] }>(other.keys.all, 'GET', `/v1/jobs?model_id=${acme.ids.models}`)
    assert.equal(filtered.body.data.length, 0)
  })

  test('the metrics of the service are the operator’s alone', async () => {
    assert.equal((await send(BOOTSTRAP, 'GET', '/metrics')).status, 200)
    const { status, body } = await send<{ code: string }>(acme.keys.all, 'GET', '/metrics')
    assert.deepEqual([status, body.code], [403, 'insufficient_scope'])
  })

  test('a cursor, a model or a data set of another owner is of no use', async () => {
    const page = await send<{ data: unknown[] }>(other.keys.all, 'GET', `/v1/models?after=${acme.ids.models}`)
    assert.ok(!JSON.stringify(page.body).includes(acme.ids.models!))
    const jobOn = (model_id: string, dataset_id: string) =>
      send(other.keys.all, 'POST', '/v1/jobs', {
        model_id,
        target: 'cpu-int8',
        method: { type: 'static' },
        calibration: { dataset_id },
      })
    const foreign = [
      await jobOn(acme.ids.models!, other.ids.datasets!),
      await jobOn(other.ids.models!, acme.ids.datasets!),
    ]
    const none = [
      await jobOn(idLike(acme.ids.models!), other.ids.datasets!),
      await jobOn(other.ids.models!, idLike(acme.ids.datasets!)),
    ]
    const strip = ({ status, body }: Answer) => status + JSON.stringify(body).replaceAll(/(mdl|ds|req)_\w+/g, '_')
    assert.deepEqual(foreign.map(strip), none.map(strip))
    assert.ok(foreign.every(({ status }) => status === 422))
  })

  test('the same bytes are kept once, and stay for one owner when the other deletes them', async () => {
    const bytes = mlp(77)
    const [first, second] = [
      await upload(acme.keys.all, 'models', bytes),
      await upload(other.keys.all, 'models', bytes),
    ]
    assert.deepEqual([first.status, second.status], [201, 201])
    assert.notEqual(first.body.id, second.body.id)
    const files = (await api.storedFiles()).length
    assert.equal((await send(acme.keys.all, 'DELETE', `/v1/models/${first.body.id}`)).status, 204)
    assert.equal((await api.storedFiles()).length, files)
    assert.equal((await send(other.keys.all, 'GET', `/v1/models/${second.body.id}/content`)).status, 200)
    await send(other.keys.all, 'DELETE', `/v1/models/${second.body.id}`)
    assert.equal((await api.storedFiles()).length, files - 1)
  })
})

/** An id of the same kind that nobody has. */
const idLike = (id: string): string => `${id.slice(0, -4)}${id.endsWith('0000') ? '0001' : '0000'}`
