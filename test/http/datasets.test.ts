/** Data sets over HTTP: recorded once per bytes and spec, counted by reference, kept while a job needs them, refused in words. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Api, startApi } from '../kit/api.ts'
import { call, create, type Job, post, upload } from '../kit/client.ts'
import { randomData } from '../kit/data.ts'
import { sharedFile } from '../kit/goldens.ts'
import { mlp } from '../kit/model.ts'
import { npy, zip } from '../kit/npz.ts'

interface Dataset {
  id: string
  samples: number
  arrays: { name: string; dtype: string; shape: number[] }[]
  labels: { dtype: string; shape: number[] } | null
  spec: { arrays: Record<string, { scale: number; offset: number }> }
  warnings: { code: string; detail: string }[]
}
interface Problem {
  code: string
  detail: string
  errors?: { pointer: string; code: string; detail: string }[]
}
interface Page {
  data: Dataset[]
  has_more: boolean
  next_cursor: string | null
}

const pixels = (samples: number): Buffer =>
  zip([
    {
      name: 'x.npy',
      bytes: npy(new Uint8Array(8 * samples), { descr: '|u1', shape: `(${samples}, 8)` }),
      deflate: true,
    },
  ])

describe('data sets', () => {
  let api: Api
  before(async () => {
    api = await startApi()
  })
  after(() => api.close())

  const send = (bytes: Uint8Array, fields: Record<string, string> = {}) =>
    upload<Dataset & Problem>(`${api.url}/v1/datasets`, bytes, fields)
  const remove = (id: string) => call<Problem>(`${api.url}/v1/datasets/${id}`, { method: 'DELETE' })
  const get = (id: string) => call<Dataset>(`${api.url}/v1/datasets/${id}`)
  const stored = async () => (await api.storedFiles()).length

  test('the same bytes are one data set per spec and one object in the store, until the last is deleted', async () => {
    const empty = await stored()
    const bytes = pixels(5)
    const plain = await send(bytes)
    assert.equal(plain.status, 201)
    assert.equal(plain.body.warnings[0]?.code, 'unscaled_integers')
    assert.equal(plain.headers.get('location'), `/v1/datasets/${plain.body.id}`)
    const scaled = await send(bytes, { spec: '{"arrays":{"x":{"scale":0.5}}}' })
    assert.deepEqual([scaled.status, scaled.body.warnings], [201, []])
    assert.deepEqual(scaled.body.spec, { arrays: { x: { scale: 0.5, offset: 0 } } })
    assert.notEqual(scaled.body.id, plain.body.id)
    const again = await send(bytes, { spec: '{"arrays":{"x":{"offset":0,"scale":0.5}}}', name: 'another name' })
    assert.deepEqual([again.status, again.body.id], [200, scaled.body.id])
    assert.equal(await stored(), empty + 1)
    assert.equal((await remove(plain.body.id)).status, 204)
    assert.deepEqual([await stored(), (await get(scaled.body.id)).status], [empty + 1, 200])
    assert.equal((await remove(scaled.body.id)).status, 204)
    assert.deepEqual([await stored(), (await get(scaled.body.id)).status], [empty, 404])
    const anew = await send(bytes)
    assert.equal(anew.status, 201)
    await remove(anew.body.id)
  })

  test('eight uploads of the same bytes at once become one data set', async () => {
    const empty = await stored()
    const answers = await Promise.all(Array.from({ length: 8 }, () => send(pixels(6))))
    assert.equal(new Set(answers.map(({ body }) => body.id)).size, 1, JSON.stringify(answers.map(({ body }) => body)))
    assert.equal(answers.filter(({ status }) => status === 201).length, 1)
    assert.equal(await stored(), empty + 1)
    await remove(answers[0]!.body.id)
    assert.equal(await stored(), empty)
  })

  test('a data set that an unfinished job needs cannot be deleted; a canceled job needs nothing', async () => {
    const [calibration, evaluation] = [randomData(6, [8]), randomData(7, [8], { classes: 4 })]
    const ids = [await create(api.url, 'datasets', calibration), await create(api.url, 'datasets', evaluation)] as const
    const { status, body } = await post<Job>(`${api.url}/v1/jobs`, {
      model_id: await create(api.url, 'models', mlp()),
      target: 'cpu-int8',
      method: { type: 'static' },
      calibration: { dataset_id: ids[0] },
      evaluation: { dataset_id: ids[1], metric: 'top1' },
    })
    assert.equal(status, 202, JSON.stringify(body))
    for (const id of ids) {
      const refused = await remove(id)
      assert.deepEqual([refused.status, refused.body.code], [409, 'in_use'])
      assert.match(refused.body.detail, new RegExp(body.id))
      assert.equal((await get(id)).status, 200)
    }
    await post(`${api.url}/v1/jobs/${body.id}/cancel`, {})
    for (const id of ids) assert.equal((await remove(id)).status, 204)
  })

  test('the list is newest first and pages without gap or repetition', async () => {
    const ids: string[] = []
    for (const samples of [11, 12, 13, 14, 15]) ids.unshift((await send(pixels(samples))).body.id)
    const seen: string[] = []
    for (let after = ''; ; ) {
      const { body } = await call<Page>(`${api.url}/v1/datasets?limit=2${after}`)
      seen.push(...body.data.map(({ id }) => id))
      if (!body.has_more) break
      after = `&after=${body.next_cursor}`
    }
    assert.deepEqual(seen, ids)
    for (const id of ids) await remove(id)
  })

  test('a raw upload takes name and spec from the query', async () => {
    const spec = encodeURIComponent('{"arrays":{"x":{"scale":2}}}')
    const { status, body } = await call<Dataset & { name: string }>(`${api.url}/v1/datasets?name=raw&spec=${spec}`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: new Uint8Array(pixels(3)),
    })
    assert.deepEqual([status, body.name, body.spec.arrays.x?.scale], [201, 'raw', 2])
    await remove(body.id)
  })

  for (const [spec, pointer] of [
    ['{"arrays":{"x":{"scale":0}}}', '/spec/arrays/x/scale'],
    ['{"arrays":{"x":{"mean":1}}}', '/spec/arrays/x'],
    ['{"arrays":{"labels":{"scale":2}}}', '/spec/arrays/labels'],
    ['{"arrays":[]}', '/spec/arrays'],
    ['{arrays}', '/spec'],
  ] as const) {
    test(`the spec ${spec} is refused by pointer and leaves nothing`, async () => {
      const kept = await stored()
      const { status, body } = await send(pixels(4), { spec })
      assert.deepEqual([status, body.errors?.[0]?.pointer], [422, pointer], JSON.stringify(body))
      assert.equal(await stored(), kept)
    })
  }

  test('an archive that breaks in the middle of a member is refused, not an internal error', async () => {
    const bytes = npy(
      new Uint8Array(400_000).map((_, i) => i * i),
      { descr: '|u1', shape: '(100000, 4)' },
    )
    const broken = zip([{ name: 'x.npy', bytes, deflate: true, damage: (data) => data.fill(255, data.length >> 1) }])
    const { status, body } = await send(broken)
    assert.deepEqual([status, body.code], [422, 'dataset_not_npz'], JSON.stringify(body))
  })

  test('labels that are floats are figures where the spec says so, and a mistake elsewhere', async () => {
    const floats = new Uint8Array(new Float32Array(12).buffer)
    const labels = { name: 'labels.npy', bytes: npy(floats, { descr: '<f4', shape: '(3, 4)' }) }
    const x = { name: 'x.npy', bytes: npy(new Uint8Array(24), { descr: '|u1', shape: '(3, 8)' }) }
    const refused = await send(zip([x, labels]))
    assert.deepEqual([refused.status, refused.body.code], [422, 'dataset_labels_invalid'])
    const { status, body } = await send(zip([x, labels]), { spec: '{"labels":"figures"}' })
    assert.deepEqual([status, body.labels], [201, { dtype: 'float32', shape: [3, 4] }])
    await remove(body.id)
  })

  const folder = sharedFile('models', 'edge-cases', 'datasets')
  test('crafted files are refused at once or by the job that names them', { skip: !folder && 'not here' }, async () => {
    const model_id = await create(api.url, 'models', mlp())
    const kept = await stored()
    const outcomes: Record<string, string> = {}
    for (const name of readdirSync(folder!)) {
      const { status, body } = await send(readFileSync(join(folder!, name)))
      outcomes[name] = status === 201 ? await fitOf(model_id, body.id) : body.code
      assert.ok(status === 201 || (status === 422 && body.detail.length > 10), `${name}: ${JSON.stringify(body)}`)
      if (status === 201) await remove(body.id)
      assert.equal(await stored(), kept, name)
    }
    for (const [name, outcome] of Object.entries(outcomes)) {
      const expected = name.endsWith('.zip') ? /^dataset_not_npz$/ : expectedOf(name)
      assert.match(outcome, expected, name)
    }
  })

  /** What a job on these data says before it is made. */
  async function fitOf(model_id: string, dataset_id: string): Promise<string> {
    const method = { type: 'static' }
    const request = { model_id, target: 'cpu-int8', method, calibration: { dataset_id } }
    const { body } = await post<{ valid: boolean; violations: Problem[] }>(`${api.url}/v1/jobs?dry_run=true`, request)
    return body.valid ? 'fits' : body.violations.map(({ code }) => code).join()
  }
})

const FITS =
  /^(ok|ok-stored|fortran-order|big-endian|float64|float16|int32-labels|extra-array|constant|npy-v2|labels-out-of-range)\./
const MISFITS = /^wrong-(name|shape|rank)\./
const NOT_FINITE = /^(nan|inf)\./
const BAD_LABELS = /^labels-(short|float)\./

const expectedOf = (name: string): RegExp =>
  [
    [FITS, /^fits$/] as const,
    [MISFITS, /^dataset_mismatch$/] as const,
    [NOT_FINITE, /^dataset_not_finite$/] as const,
    [BAD_LABELS, /^dataset_labels_invalid$/] as const,
  ].find(([names]) => names.test(name))?.[1] ?? /^dataset_(not_npz|array_invalid)$/
