/** Uploads in parts: any order, many at a time, resumed after crashes of both sides, checked; and bundles with external data. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { collectUnreferenced } from '../../src/collect-unreferenced.ts'
import type { Model } from '../../src/models/model.ts'
import type { Upload } from '../../src/uploads/upload.ts'
import { type Api, startApi } from '../kit/api.ts'
import { type Answer, call, create, post, upload } from '../kit/client.ts'
import { randomData } from '../kit/data.ts'
import { externalModel } from '../kit/external-model.ts'
import { IMAGE, mlp } from '../kit/model.ts'
import { zip } from '../kit/npz.ts'
import { startService } from '../kit/service.ts'

interface Problem {
  code: string
  detail: string
}

const PART = 64 << 10
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const digestField = (bytes: Uint8Array): string => `sha-256=:${Buffer.from(sha256(bytes), 'hex').toString('base64')}:`

const announce = (url: string, bytes: Uint8Array, more: object = {}) =>
  post<Upload & Problem>(`${url}/v1/uploads`, {
    kind: 'model',
    name: 'large.onnx',
    size_bytes: bytes.length,
    part_size_bytes: PART,
    ...more,
  })
const partOf = (bytes: Uint8Array, n: number): Uint8Array => bytes.subarray((n - 1) * PART, n * PART)
const put = <T = Problem>(
  url: string,
  id: string,
  n: number,
  bytes: Uint8Array,
  headers: Record<string, string> = {},
) =>
  call<T>(`${url}/v1/uploads/${id}/parts/${n}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/octet-stream', ...headers },
    body: bytes as Uint8Array<ArrayBuffer>,
  })
const look = async (url: string, id: string) => (await call<Upload>(`${url}/v1/uploads/${id}`)).body
const complete = (url: string, id: string, body: object = {}) =>
  post<Model & Problem>(`${url}/v1/uploads/${id}/complete`, body)

/** A model in a bundle of so many parts, most of it a file that the model does not need. */
function largeBundle(parts: number): Buffer {
  return zip([
    { name: 'net/model.onnx', bytes: externalModel('weights.bin') },
    { name: 'net/weights.bin', bytes: new Uint8Array(64) },
    { name: 'net/more.bin', bytes: randomBytes(parts * PART - 2000) },
  ])
}

describe('uploads in parts', () => {
  let api: Api
  before(async () => {
    api = await startApi({ MAX_UPLOAD_BYTES: '2000000', MAX_STORED_BYTES: '3000000' })
  })
  after(() => api.close())

  const announced = async (bytes: Uint8Array, more: object = {}): Promise<Upload> => {
    const { status, body } = await announce(api.url, bytes, more)
    assert.equal(status, 201, JSON.stringify(body))
    return body
  }

  test('come in any order, at once and twice, and make what one piece would have made', async () => {
    const bytes = largeBundle(5)
    const { id, part_count, expires_at } = await announced(bytes, { sha256: sha256(bytes), metadata: { of: 'mine' } })
    assert.equal(part_count, 5)
    assert.ok(Date.parse(expires_at) > Date.now() + 80_000_000)
    const order = [4, 1, 5, 3, 1, 2]
    const answers = await Promise.all(
      order.map((n) => put(api.url, id, n, partOf(bytes, n), { 'content-digest': digestField(partOf(bytes, n)) })),
    )
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
    const { parts, status } = await look(api.url, id)
    assert.deepEqual([parts.map(({ n }) => n), status], [[1, 2, 3, 4, 5], 'pending'])
    const made = await complete(api.url, id)
    assert.equal(made.status, 201, JSON.stringify(made.body))
    assert.equal(made.headers.get('location'), `/v1/models/${made.body.id}`)
    assert.deepEqual(
      made.body.files.map(({ path }) => path),
      ['model.onnx', 'weights.bin', 'more.bin'],
    )
    assert.deepEqual([made.body.name, made.body.metadata], ['large.onnx', { of: 'mine' }])
    const direct = await upload<Model>(`${api.url}/v1/models`, bytes)
    assert.deepEqual([direct.status, direct.body.id], [200, made.body.id])
    const again = await complete(api.url, id)
    assert.deepEqual([again.status, again.body.id], [200, made.body.id])
    assert.equal((await put(api.url, id, 1, partOf(bytes, 1))).body.code, 'upload_completed')
    assert.equal((await look(api.url, id)).result_id, made.body.id)
    assert.equal((await api.storedFiles()).length, 3, 'only what the model needs is stored')
    await call(`${api.url}/v1/models/${made.body.id}`, { method: 'DELETE' })
  })

  test('what does not fit is refused and can be sent again', async () => {
    const bytes = mlp(21)
    const { id } = await announced(bytes, { sha256: sha256(bytes) })
    const codeOf = async (answer: Promise<Answer<Problem>>) => (await answer).body.code
    assert.equal(await codeOf(complete(api.url, id)), 'upload_incomplete')
    assert.equal(await codeOf(put(api.url, id, 1, bytes.subarray(1))), 'part_size_mismatch')
    assert.equal(await codeOf(put(api.url, id, 2, bytes)), 'not_found')
    assert.equal((await put(api.url, id, 0, bytes)).status, 422)
    assert.equal(await codeOf(put(api.url, id, 1, bytes, { 'content-type': 'text/csv' })), 'unsupported_media_type')
    const other = { 'repr-digest': digestField(Buffer.from('other')) }
    assert.equal(await codeOf(put(api.url, id, 1, bytes, other)), 'digest_mismatch')
    assert.deepEqual(await api.storedFiles(), [])
    const wrong = Buffer.from(bytes)
    wrong[9] = 255 - wrong[9]!
    assert.equal((await put(api.url, id, 1, wrong)).status, 200)
    assert.equal(await codeOf(complete(api.url, id)), 'digest_mismatch')
    assert.equal((await put(api.url, id, 1, bytes)).status, 200)
    assert.equal(await codeOf(complete(api.url, id, { sha256: sha256(wrong) })), 'digest_mismatch')
    const answers = await Promise.all([1, 2, 3].map(() => complete(api.url, id)))
    assert.ok(
      answers.every(({ status, body }) => status < 300 || body.code === 'upload_in_progress'),
      JSON.stringify(answers),
    )
    assert.deepEqual(await api.storedFiles(), [sha256(bytes)])
    await call(`${api.url}/v1/models/${answers.find(({ status }) => status < 300)!.body.id}`, { method: 'DELETE' })
  })

  test('no model comes of bytes that are none; an upload that is aborted, or expires, leaves nothing', async () => {
    const bytes = randomBytes(PART + 5)
    const { id } = await announced(bytes)
    for (const n of [1, 2]) await put(api.url, id, n, partOf(bytes, n))
    assert.equal((await complete(api.url, id)).body.code, 'model_not_onnx')
    assert.equal((await look(api.url, id)).parts.length, 2)
    assert.equal((await call(`${api.url}/v1/uploads/${id}`, { method: 'DELETE' })).status, 204)
    assert.deepEqual([(await call(`${api.url}/v1/uploads/${id}`)).status, await api.storedFiles()], [404, []])
    const forgotten = await announced(bytes)
    await put(api.url, forgotten.id, 1, partOf(bytes, 1))
    const key = `${api.deps.config.REDIS_PREFIX}:upload:${forgotten.id}`
    await api.deps.redis.pexpire(key, 1)
    while (await api.deps.redis.exists(key)) await delay(2)
    const suspects = await collectUnreferenced(api.deps, new Map(), 0)
    await collectUnreferenced(api.deps, suspects, 0)
    assert.deepEqual(await api.storedFiles(), [])
    await api.deps.redis.del(`${api.deps.config.REDIS_PREFIX}:owner:local:pending`)
  })

  test('a data set brings its spec; what was announced counts among the bytes of its owner', async () => {
    const bytes = randomData(8, IMAGE)
    const { id } = await announced(bytes, { kind: 'dataset', name: 'data', spec: { arrays: { x: { scale: 0.5 } } } })
    for (let n = 1; n * PART < bytes.length + PART; n++) await put(api.url, id, n, partOf(bytes, n))
    const made = await complete(api.url, id)
    assert.equal(made.headers.get('location'), `/v1/datasets/${made.body.id}`)
    const { spec } = made.body as unknown as { spec: object }
    assert.deepEqual([made.status, spec], [201, { arrays: { x: { scale: 0.5, offset: 0 } } }])
    const size_bytes = 1_900_000
    const first = await announced(bytes, { size_bytes })
    assert.equal((await announce(api.url, bytes, { size_bytes })).body.code, 'stored_bytes_exceeded')
    assert.equal((await announce(api.url, bytes, { size_bytes: 2_000_001 })).body.code, 'payload_too_large')
    const listed = await call<{ data: Upload[] }>(`${api.url}/v1/uploads`)
    assert.deepEqual(
      listed.body.data.map((one) => one.id),
      [first.id],
    )
    await call(`${api.url}/v1/uploads/${first.id}`, { method: 'DELETE' })
    for (const wrong of [{ size_bytes: 0 }, { kind: 'film' }, { sha256: 'x' }, { part_size_bytes: 1 }])
      assert.equal((await announce(api.url, bytes, wrong)).status, 422, JSON.stringify(wrong))
  })

  test('a bundle must hold one model with its data, and may be compressed', async () => {
    const weights = { name: 'weights.bin', bytes: new Uint8Array(64), deflate: true }
    const model = { name: 'model.onnx', bytes: externalModel('weights.bin'), deflate: true }
    const send = (members: Parameters<typeof zip>[0]) =>
      upload<Model & Problem>(`${api.url}/v1/models`, zip(members), { name: 'bundle', metadata: '{"a":"b"}' })
    const noise = { name: '__MACOSX/._model.onnx', bytes: new Uint8Array(3) }
    const { status, body } = await send([weights, model, noise, { name: 'docs/', bytes: new Uint8Array() }])
    assert.deepEqual([status, body.name, body.size_bytes], [201, 'bundle', model.bytes.length + 64])
    const refused: [string, Parameters<typeof zip>[0]][] = [
      ['model_bundle_invalid', [weights]],
      ['model_bundle_invalid', [model, { ...model, name: 'other.onnx' }]],
      ['model_bundle_invalid', [{ ...model, name: '../model.onnx' }]],
      ['model_bundle_invalid', [model, { ...weights, flags: 1 }]],
      ['model_bundle_invalid', [model, { ...weights, size: 5 }]],
      ['model_bundle_invalid', [{ ...model, damage: (data) => data.fill(0xff) }]],
      ['model_bundle_invalid', [model, { ...weights, bytes: new Uint8Array(2_000_001) }]],
      ['model_external_data', [model]],
    ]
    for (const [code, members] of refused)
      assert.equal((await send(members)).body.code, code, JSON.stringify(members[0]?.name))
    const cut = zip([model, weights]).subarray(0, 100)
    assert.equal((await upload<Problem>(`${api.url}/v1/models`, cut)).body.code, 'model_bundle_invalid')
  })

  test('a form whose digest does not match is refused, and so are raw bytes; metadata comes with both', async () => {
    const form = Buffer.from(
      `--b\r\ncontent-disposition: form-data; name="metadata"\r\n\r\n{"a":"b"}\r\n--b\r\ncontent-disposition: form-data; name="file"; filename="m.onnx"\r\n\r\n`,
    )
    const body = Buffer.concat([form, mlp(31), Buffer.from('\r\n--b--\r\n')])
    const send = (field: string, digest: string) =>
      call<Model & Problem>(`${api.url}/v1/models`, {
        method: 'POST',
        headers: { 'content-type': 'multipart/form-data; boundary=b', [field]: digest },
        body,
      })
    const before = await api.storedFiles()
    for (const field of ['content-digest', 'repr-digest'])
      assert.equal((await send(field, digestField(mlp(31)))).body.code, 'digest_mismatch', field)
    assert.deepEqual(await api.storedFiles(), before)
    const made = await send('content-digest', digestField(body))
    assert.deepEqual([made.status, made.body.metadata], [201, { a: 'b' }])
    const raw = await call<Model>(`${api.url}/v1/models?name=m&metadata=${encodeURIComponent('{"c":"d"}')}`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', 'repr-digest': digestField(mlp(32)) },
      body: mlp(32) as Uint8Array<ArrayBuffer>,
    })
    assert.deepEqual([raw.status, raw.body.metadata], [201, { c: 'd' }])
  })
})

test('parts that arrived outlive a crash of the API, and one that was on its way leaves nothing', async (t) => {
  const service = await startService({}, ['api'])
  t.after(() => service.close())
  const bytes = largeBundle(4)
  const { id } = (await announce(service.url, bytes, { sha256: sha256(bytes) })).body
  for (const n of [3, 1]) await put(service.url, id, n, partOf(bytes, n))
  const stuck = new ReadableStream({
    start: (controller) => controller.enqueue(partOf(bytes, 2).subarray(0, 1000)),
  })
  const lost = fetch(`${service.url}/v1/uploads/${id}/parts/2`, {
    method: 'PUT',
    headers: { 'content-type': 'application/octet-stream' },
    body: stuck,
    duplex: 'half',
  } as RequestInit).then(
    () => 'answered',
    () => 'lost',
  )
  await new Promise((resolve) => setTimeout(resolve, 100))
  await service.kill('api')
  assert.equal(await lost, 'lost')
  await service.start('api')
  const { parts } = await look(service.url, id)
  assert.deepEqual(
    parts.map(({ n }) => n),
    [1, 3],
  )
  for (const n of [2, 4]) assert.equal((await put(service.url, id, n, partOf(bytes, n))).status, 200)
  const made = await complete(service.url, id)
  assert.equal(made.status, 201, JSON.stringify(made.body))
  assert.equal(await create(service.url, 'models', bytes), made.body.id)
})
