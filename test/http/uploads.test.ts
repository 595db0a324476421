/** Uploads: streamed, counted, refused early, and gone without a trace when they fail. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { type Api, startApi } from '../kit/api.ts'
import { call, create, upload } from '../kit/client.ts'
import { randomData } from '../kit/data.ts'
import { externalModel } from '../kit/external-model.ts'
import { convNet, IMAGE, mlp } from '../kit/model.ts'
import { until } from '../kit/service.ts'

interface Problem {
  code: string
  status: number
  detail: string
  request_id: string
  errors?: { pointer: string; code: string; detail: string }[]
}
interface Model {
  id: string
  name: string
  sha256: string
  op_types: Record<string, number>
  inputs: { name: string; dtype: string; shape: unknown[] }[]
  parameters: number
}

const LIMIT = 2_000_000

describe('uploads', () => {
  let api: Api
  before(async () => {
    api = await startApi({ MAX_UPLOAD_BYTES: String(LIMIT) })
  })
  after(() => api.close())

  const raw = (bytes: Uint8Array | string, headers: Record<string, string> = {}) =>
    call<Model & Problem>(`${api.url}/v1/models?name=raw.onnx`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', ...headers },
      body: bytes as Uint8Array<ArrayBuffer>,
    })

  test('a model tells what it is, by form and raw; the same bytes are the same model', async () => {
    const bytes = convNet()
    const first = await upload<Model>(`${api.url}/v1/models`, bytes, { metadata: '{"team":"vision"}' }, 'net.onnx')
    assert.equal(first.status, 201)
    assert.equal(first.headers.get('location'), `/v1/models/${first.body.id}`)
    assert.equal(first.body.name, 'net.onnx')
    assert.equal(first.body.sha256, createHash('sha256').update(bytes).digest('hex'))
    assert.deepEqual(first.body.inputs, [{ name: 'x', dtype: 'float32', shape: ['N', ...IMAGE] }])
    assert.deepEqual(first.body.op_types.Conv, 2)
    const second = await raw(bytes)
    assert.deepEqual([second.status, second.body.id], [200, first.body.id])
    const content = await fetch(`${api.url}/v1/models/${first.body.id}/content`)
    assert.deepEqual(new Uint8Array(await content.arrayBuffer()), bytes)
  })

  test('a range, an entity tag and a digest come with the content', async () => {
    const bytes = mlp(3)
    const id = await create(api.url, 'models', bytes)
    const url = `${api.url}/v1/models/${id}/content`
    const part = await fetch(url, { headers: { range: 'bytes=10-19' } })
    assert.deepEqual([part.status, part.headers.get('content-range')], [206, `bytes 10-19/${bytes.length}`])
    assert.deepEqual(new Uint8Array(await part.arrayBuffer()), bytes.slice(10, 20))
    const etag = part.headers.get('etag')
    assert.ok(etag && part.headers.get('repr-digest'))
    assert.equal((await fetch(url, { headers: { 'if-none-match': etag } })).status, 304)
    assert.equal((await fetch(url, { headers: { range: 'bytes=99999999-' } })).status, 416)
  })

  for (const [what, bytes, code] of [
    ['text', Buffer.from('this is not a model, it is a sentence'), 'model_not_onnx'],
    ['nothing', Buffer.alloc(0), 'model_not_onnx'],
    ['half a model', convNet().slice(0, 3000), 'model_truncated'],
  ] as const) {
    test(`${what} is refused with a reason and leaves nothing`, async () => {
      const before = await api.storedFiles()
      const { status, body, headers } = await upload<Problem>(`${api.url}/v1/models`, bytes)
      assert.deepEqual([status, body.code], [422, code], JSON.stringify(body))
      assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/)
      assert.ok(body.detail.length > 10 && body.request_id)
      assert.deepEqual((await api.storedFiles()).toSorted(), before.toSorted())
    })
  }

  test('an upload over the limit is refused, whether it says its length or not', async () => {
    const before = await api.storedFiles()
    const large = new Uint8Array(LIMIT + 1)
    const declared = await raw(large)
    assert.deepEqual([declared.status, declared.body.code], [413, 'payload_too_large'])
    const form = await upload<Problem>(`${api.url}/v1/models`, large)
    assert.deepEqual([form.status, form.body.code], [413, 'payload_too_large'])
    assert.deepEqual((await api.storedFiles()).toSorted(), before.toSorted())
  })

  test('bytes that do not match the declared digest are refused and leave nothing', async () => {
    const before = await api.storedFiles()
    const bytes = mlp(77)
    const digestOf = (data: Uint8Array) => `sha-256=:${createHash('sha256').update(data).digest('base64')}:`
    for (const name of ['content-digest', 'repr-digest']) {
      const { status, body } = await raw(bytes, { [name]: digestOf(mlp(78)) })
      assert.deepEqual([status, body.code], [400, 'digest_mismatch'], name)
    }
    assert.deepEqual((await api.storedFiles()).toSorted(), before.toSorted())
    assert.equal((await raw(bytes, { 'repr-digest': digestOf(bytes) })).status, 201)
  })

  test('an upload that is encoded is refused: its size would be a lie', async () => {
    const { status } = await raw(mlp(79), { 'content-encoding': 'gzip' })
    assert.equal(status, 415)
  })

  test('ranges: the last bytes, an outdated If-Range, HEAD', async () => {
    const bytes = mlp(80)
    const url = `${api.url}/v1/models/${await create(api.url, 'models', bytes)}/content`
    const last = await fetch(url, { headers: { range: 'bytes=-7' } })
    assert.deepEqual([last.status, new Uint8Array(await last.arrayBuffer())], [206, bytes.slice(-7)])
    const outdated = await fetch(url, { headers: { range: 'bytes=0-3', 'if-range': '"another"' } })
    assert.deepEqual([outdated.status, (await outdated.arrayBuffer()).byteLength], [200, bytes.length])
    const head = await fetch(url, { method: 'HEAD' })
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(bytes.length)])
    for (const field of ['bytes=5-2', 'pages=1-2', 'bytes=0-1,4-5'])
      assert.equal((await fetch(url, { headers: { range: field } })).status, 200, field)
  })

  test('a client that goes away in the middle leaves nothing, and the service goes on', async () => {
    const before = await api.storedFiles()
    const { port } = new URL(api.url)
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(
      'POST /v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/octet-stream\r\ncontent-length: 1000000\r\n\r\n',
    )
    socket.write(Buffer.alloc(300_000))
    await until(async () => (await api.storedFiles()).length > before.length, 'nothing arrived')
    socket.destroy()
    await until(async () => (await api.storedFiles()).length === before.length, 'something is left')
    assert.equal((await fetch(`${api.url}/livez`)).status, 200)
  })

  test('two files, an unknown part, an unknown type and a broken form are refused', async () => {
    const form = new FormData()
    form.append('file', new Blob([mlp() as Uint8Array<ArrayBuffer>]), 'a')
    form.append('file', new Blob([mlp() as Uint8Array<ArrayBuffer>]), 'b')
    assert.equal((await call(`${api.url}/v1/models`, { method: 'POST', body: form })).status, 422)
    assert.equal((await raw('{}', { 'content-type': 'text/plain' })).status, 415)
    const broken = await call<Problem>(`${api.url}/v1/models`, {
      method: 'POST',
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
      body: '--x\r\nnonsense',
    })
    assert.ok(broken.status >= 400 && broken.status < 500, String(broken.status))
  })

  test('external data is taken under the name that the model uses, and missing data is named', async () => {
    const missing = await upload<Problem>(`${api.url}/v1/models`, externalModel('weights.bin'))
    assert.deepEqual([missing.status, missing.body.code], [422, 'model_external_data'])
    assert.match(missing.body.detail, /weights\.bin/)
    const form = new FormData()
    form.set('file', new Blob([externalModel('weights.bin') as Uint8Array<ArrayBuffer>]), 'm.onnx')
    form.set('external', new Blob([new Uint8Array(64)]), 'weights.bin')
    const complete = await call<Model>(`${api.url}/v1/models`, { method: 'POST', body: form })
    assert.equal(complete.status, 201, JSON.stringify(complete.body))
    for (const location of ['../weights.bin', '/etc/hostname', '*/_ORT_MEM_ADDR_/*', 'a/b.bin']) {
      const { status, body } = await upload<Problem>(`${api.url}/v1/models`, externalModel(location))
      assert.deepEqual([status, body.code], [422, 'model_external_data'], location)
    }
  })

  test('a data set tells what it holds; NaN, pickles and lies are refused by name', async () => {
    const good = await upload<{ samples: number; labels: { shape: number[] } }>(
      `${api.url}/v1/datasets`,
      randomData(12, [8], { classes: 4 }),
    )
    assert.equal(good.status, 201)
    assert.deepEqual([good.body.samples, good.body.labels.shape], [12, [12]])
    const nan = randomData(12, [8])
    nan.writeFloatLE(Number.NaN, nan.indexOf('\n') + 1 + 4 * 8 * 5)
    const refused = await upload<Problem>(`${api.url}/v1/datasets`, nan)
    assert.equal(refused.status, 422)
    assert.match(refused.body.detail, /"x" holds NaN or infinity in sample 5/)
    const garbage = await upload<Problem>(`${api.url}/v1/datasets`, Buffer.from('no archive'))
    assert.deepEqual([garbage.status, garbage.body.code], [422, 'dataset_not_npz'])
    const spec = await upload<Problem>(`${api.url}/v1/datasets`, randomData(3, [8]), {
      spec: '{"arrays":{"y":{"scale":2}}}',
    })
    assert.deepEqual([spec.status, spec.body.errors?.[0]?.pointer], [422, '/spec/arrays/y'])
  })
})

/** Sends `head` and then zeros for as long as the server takes them; resolves to the status and how many it took. */
function flood(url: string, type: string, head = ''): Promise<{ status: number; sent: number }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': type, 'transfer-encoding': 'chunked' }
    const outgoing = request(url, { method: 'POST', headers })
    const chunk = Buffer.alloc(1 << 16)
    let sent = 0
    const more = () => {
      if (outgoing.destroyed || sent > 50 * LIMIT) return
      sent += chunk.length
      outgoing.write(chunk, more)
    }
    outgoing.on('response', (response) => {
      resolve({ status: response.statusCode!, sent })
      outgoing.destroy()
    })
    outgoing.on('error', reject)
    outgoing.write(head)
    more()
  })
}

for (const [what, type, head] of [
  ['raw', 'application/octet-stream', '\0'],
  [
    'form',
    'multipart/form-data; boundary=x',
    '--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n',
  ],
] as const) {
  test(`a ${what} upload that does not say its length is stopped at the limit, and its connection goes`, async () => {
    const api = await startApi({ MAX_UPLOAD_BYTES: String(LIMIT) })
    const { status, sent } = await flood(`${api.url}/v1/models`, type, head)
    assert.equal(status, 413)
    assert.ok(sent < 10 * LIMIT, `${sent} bytes were taken`)
    assert.deepEqual(await api.storedFiles(), [])
    const asked = performance.now()
    await api.close()
    assert.ok(performance.now() - asked < 6000, `closed after ${performance.now() - asked} ms`)
  })
}

test('a client that falls silent in the middle is cut off and leaves nothing', async () => {
  const api = await startApi({}, { silenceMs: 300 })
  const socket = connect(Number(new URL(api.url).port), '127.0.0.1')
  socket.on('error', () => {})
  socket.write(
    'POST /v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/octet-stream\r\ncontent-length: 9000\r\n\r\nabc',
  )
  await until(async () => (await api.storedFiles()).length === 1, 'nothing arrived')
  await Promise.all([
    once(socket, 'close'),
    until(async () => (await api.storedFiles()).length === 0, 'something is left'),
  ])
  await api.close()
})
