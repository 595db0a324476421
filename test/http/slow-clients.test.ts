/** Clients that drip, ask for too much, do not read, or stay: each is answered or cut, and nobody waits for them. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { putAs } from '../../src/storage/refs.ts'
import { type Api, startApi } from '../kit/api.ts'
import { call, create, startJob, upload } from '../kit/client.ts'
import { randomData } from '../kit/data.ts'
import { IMAGE, mlp } from '../kit/model.ts'
import { startService, until } from '../kit/service.ts'

interface Line {
  socket: Socket
  /** what has arrived */
  text(): string
  closed: Promise<unknown>
}

function dial(url: string, t: TestContext): Line {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  t.after(() => socket.destroy())
  let received = ''
  socket.on('error', () => {})
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text
  })
  return { socket, text: () => received, closed: once(socket, 'close') }
}

/** One byte after the other until the connection ends. */
async function drip({ socket }: Line, byte: string, everyMs: number): Promise<void> {
  while (!socket.destroyed && socket.writable) {
    socket.write(byte)
    await delay(everyMs)
  }
}

const head = (line: string, fields: Record<string, string | number>): string =>
  `${line} HTTP/1.1\r\nhost: 127.0.0.1\r\n${Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`

const FORM_HEAD = '--b\r\ncontent-disposition: form-data; name="file"; filename="m.onnx"\r\n\r\n'

describe('a client that drips', () => {
  let api: Api
  before(async () => {
    api = await startApi({}, { paceMs: 300, headMs: 1000 })
  })
  after(() => api.close())

  const bodies: [string, string][] = [
    ['JSON', head('POST /v1/jobs', { 'content-type': 'application/json', 'content-length': 5000 })],
    ['a raw upload', head('POST /v1/models', { 'content-type': 'application/octet-stream', 'content-length': 5000 })],
    [
      'a form',
      head('POST /v1/models', { 'content-type': 'multipart/form-data; boundary=b', 'content-length': 5000 }) +
        FORM_HEAD,
    ],
  ]
  for (const [what, start] of bodies)
    test(`${what} is told 408, cut, and leaves nothing`, async (t) => {
      const line = dial(api.url, t)
      line.socket.write(start)
      await Promise.all([drip(line, 'x', 40), line.closed])
      assert.match(line.text(), /^HTTP\/1\.1 408 .*application\/problem\+json.*"code":"request_timeout"/s)
      await until(async () => (await api.storedFiles()).length === 0, 'something is left')
    })

  test('chunk by chunk: the same', async (t) => {
    const line = dial(api.url, t)
    line.socket.write(
      head('POST /v1/models', { 'content-type': 'application/octet-stream', 'transfer-encoding': 'chunked' }),
    )
    await Promise.all([drip(line, '1\r\nx\r\n', 40), line.closed])
    assert.match(line.text(), /^HTTP\/1\.1 408 /)
    await until(async () => (await api.storedFiles()).length === 0, 'something is left')
  })

  test('header fields: 408 too', async (t) => {
    const line = dial(api.url, t)
    line.socket.write('GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ')
    await Promise.all([drip(line, 'x', 40), line.closed])
    assert.match(line.text(), /^HTTP\/1\.1 408 /)
  })

  test('one that is slow but keeps the pace is served', async (t) => {
    const bytes = randomData(200, IMAGE)
    const line = dial(api.url, t)
    line.socket.write(
      head('POST /v1/datasets', { 'content-type': 'application/octet-stream', 'content-length': bytes.length }),
    )
    const piece = Math.ceil(bytes.length / 12)
    for (let from = 0; from < bytes.length; from += piece) {
      line.socket.write(bytes.subarray(from, from + piece))
      await delay(100)
    }
    await until(() => /"id":"ds_/.test(line.text()), 'no answer')
    assert.match(line.text(), /^HTTP\/1\.1 201 /)
  })

  test('one that does not read its answer is cut, one that reads is not', async (t) => {
    const big = new Uint8Array(48 << 20)
    const id = await create(api.url, 'models', mlp(4))
    // a stored object as large as no answer that a socket could hold
    const { sha256, size } = await putAs(api.deps, Readable.from([big]), { maxBytes: big.length }, 'test:big')
    const key = `fewbit:model:${id}`
    const record = JSON.parse((await api.deps.redis.get(key))!)
    await api.deps.redis.set(key, JSON.stringify({ ...record, sha256, files: [{ path: 'model.onnx', sha256, size }] }))
    const line = dial(api.url, t)
    line.socket.pause()
    line.socket.write(head(`GET /v1/models/${id}/content`, {}))
    const response = await fetch(`${api.url}/v1/models/${id}/content`)
    assert.equal((await response.arrayBuffer()).byteLength, big.length)
    await until(async () => (await connections(api)) <= 1, 'it is still connected')
  })
})

/** open connections of the API in this process */
async function connections({ url }: Api): Promise<number> {
  const port = Number(new URL(url).port).toString(16).toUpperCase().padStart(4, '0')
  const table = await readFile('/proc/net/tcp', 'utf8')
  return table.split('\n').filter((row) => new RegExp(`^ *\\d+: \\w+:${port} \\w+:\\w+ 01`).test(row)).length
}

describe('Expect: 100-continue', () => {
  let api: Api
  const KEY = 'the-operators-first-key-of-this-test'
  before(async () => {
    api = await startApi({ REQUIRE_KEYS: 'true', FEWBIT_BOOTSTRAP_KEY: KEY, MAX_STORED_BYTES: '1000000000' })
  })
  after(() => api.close())

  const asks = { expect: '100-continue', authorization: `Bearer ${KEY}` }
  const raw = { ...asks, 'content-type': 'application/octet-stream' }
  const json = { ...asks, 'content-type': 'application/json' }
  const refusals: [string, number, string, Record<string, string | number>][] = [
    ['10 TB', 413, 'POST /v1/models', { ...raw, 'content-length': 10_000_000_000_000 }],
    [
      '10 TB as a form',
      413,
      'POST /v1/datasets',
      { ...asks, 'content-type': 'multipart/form-data; boundary=b', 'content-length': 10_000_000_000_000 },
    ],
    ['more than the owner has room for', 429, 'POST /v1/models', { ...raw, 'content-length': 2_000_000_000 }],
    ['an encoded upload', 415, 'POST /v1/models', { ...raw, 'content-encoding': 'gzip', 'content-length': 9 }],
    ['an upload of another type', 415, 'POST /v1/models', { ...asks, 'content-type': 'text/csv', 'content-length': 9 }],
    ['an upload without a key', 401, 'POST /v1/models', { ...raw, authorization: 'Bearer x', 'content-length': 9 }],
    ['JSON that is too large', 413, 'POST /v1/jobs', { ...json, 'content-length': 1_000_000 }],
    ['a path that does not exist', 404, 'POST /v1/nothing', { ...json, 'content-length': 9 }],
  ]
  for (const [what, status, line, fields] of refusals)
    test(`${what}: ${status}, and no word to go on`, async (t) => {
      const client = dial(api.url, t)
      client.socket.write(head(line, fields))
      await client.closed
      assert.match(client.text(), new RegExp(`^HTTP/1\\.1 ${status} .*application/problem\\+json`, 's'))
      assert.equal((await api.storedFiles()).length, 0)
    })

  test('what is acceptable is invited, once, and taken', async (t) => {
    const bytes = mlp(9)
    const client = dial(api.url, t)
    client.socket.write(head('POST /v1/models', { ...raw, 'content-length': bytes.length }))
    await until(() => client.text().length > 0, 'no word')
    assert.equal(client.text(), 'HTTP/1.1 100 Continue\r\n\r\n')
    client.socket.write(bytes)
    await until(() => /"id":"mdl_/.test(client.text()), 'no answer')
    assert.match(client.text(), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /)
    const body = JSON.stringify({ name: 'k', scopes: ['read'] })
    const second = dial(api.url, t)
    second.socket.write(head('POST /v1/api-keys', { ...json, 'content-length': body.length }))
    await until(() => second.text().includes('100 Continue'), 'no word')
    second.socket.write(body)
    await until(() => second.text().includes('HTTP/1.1 201 '), 'no answer')
  })
})

test('a service that is told to stop ends its streams and long polls at once, read or not', async (t) => {
  const service = await startService({}, ['api'])
  t.after(() => service.close())
  const job = await startJob(service.url, { method: { type: 'dynamic' }, calibration: undefined }, mlp())
  const stream = head(`GET /v1/jobs/${job.id}/events`, { accept: 'text/event-stream' })
  const [reader, sleeper, poller, idle] = [0, 1, 2, 3].map(() => dial(service.url, t)) as [Line, Line, Line, Line]
  reader.socket.write(stream)
  sleeper.socket.write(stream)
  poller.socket.write(head(`GET /v1/jobs/${job.id}`, { prefer: 'wait=50' }))
  idle.socket.write(head('GET /livez', {}))
  await until(
    () => reader.text().includes('job.queued') && sleeper.text().includes('job.queued') && idle.text().includes('ok'),
    'no stream',
  )
  sleeper.socket.pause()
  // as close-with-grace gives up after ten seconds, an exit code of 0 says that all had ended before
  const exited = service.kill('api', 'SIGTERM').then(() => 'ended')
  assert.equal(await Promise.race([exited, delay(8000, 'still there', { ref: false })]), 'ended')
  await Promise.all([reader.closed, poller.closed, idle.closed])
  assert.match(reader.text(), /\r\n0\r\n\r\n$/, 'the stream was cut and not ended')
  assert.match(poller.text(), /"status":"queued"/)
  await service.start('api')
  const again = await fetch(`${service.url}/v1/jobs/${job.id}/events`)
  assert.equal(again.status, 200)
  assert.equal((await upload(`${service.url}/v1/models`, mlp())).status, 200)
  assert.equal((await call(`${service.url}/livez`)).status, 200)
})
