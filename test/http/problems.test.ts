/** Every refusal is problem+json, with a type that can be opened, whoever refuses: the API, Fastify or Node. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ERROR_CODES } from '../../src/shared/errors.ts'
import { type Api, startApi } from '../kit/api.ts'
import { call, create, type Job, post, startJob, upload } from '../kit/client.ts'
import { convNet, mlp } from '../kit/model.ts'
import { npy, zip } from '../kit/npz.ts'
import { type RawAnswer, sendRaw } from '../kit/raw.ts'

interface Problem {
  type: string
  status: number
  code: string
  detail: string
  instance: string
  request_id: string
  errors?: { pointer: string; code: string; detail: string }[]
}

const UNKNOWN = '01arz3ndektsv4rrffq69g5fav'

describe('refusals', () => {
  let api: Api
  let job: Job
  before(async () => {
    api = await startApi()
    job = await startJob(api.url, { method: { type: 'dynamic' }, calibration: undefined }, mlp())
  })
  after(() => api.close())

  const requireProblem = (answer: RawAnswer, status: number, code: string, what: string) => {
    assert.equal(answer.status, status, `${what}: ${answer.text}`)
    assert.match(answer.headers['content-type'] ?? '', /^application\/problem\+json/, what)
    assert.deepEqual([answer.body.status, answer.body.code], [status, code], what)
    assert.match(String(answer.body.request_id), /^req_/, what)
  }

  const MALFORMED: [what: string, bytes: string, status: number, code: string][] = [
    ['bytes that are not HTTP', 'hello\r\n\r\n', 400, 'malformed_request'],
    ['no Host', 'GET /livez HTTP/1.1\r\n\r\n', 400, 'malformed_request'],
    ['two Hosts', 'GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\n\r\n', 400, 'malformed_request'],
    ['an escape that is none', 'GET /v1/models/%zz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', 400, 'malformed_request'],
    ['half of a character', 'GET /v1/models/%c3 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', 400, 'malformed_request'],
    ['a method that is none', 'FLY / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', 400, 'malformed_request'],
    ['a method that nothing knows', 'PROPFIND / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', 404, 'not_found'],
    ['CONNECT', 'CONNECT example.org:443 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', 405, 'method_not_allowed'],
    [
      'two lengths',
      'POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
      'malformed_request',
    ],
    [
      'a chunk that is none',
      'POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      400,
      'malformed_request',
    ],
    [
      'an expectation',
      'GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: a miracle\r\n\r\n',
      417,
      'expectation_failed',
    ],
    ['a long id', `GET /v1/models/${'x'.repeat(500)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`, 414, 'uri_too_long'],
    ['a long target', `GET /${'x'.repeat(9000)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`, 414, 'uri_too_long'],
    ['a very long target', `GET /${'x'.repeat(60_000)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`, 414, 'uri_too_long'],
    [
      'a long field',
      `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ${'x'.repeat(60_000)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
    [
      'many fields',
      `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n${'X-Many: x\r\n'.repeat(6000)}\r\n`,
      431,
      'headers_too_large',
    ],
  ]
  for (const [what, bytes, status, code] of MALFORMED) {
    test(`${what}: ${status}`, async () => requireProblem(await sendRaw(api.url, bytes), status, code, what))
  }

  test('a request without an end is 408', async () => {
    const slow = await startApi({}, { headMs: 300 })
    try {
      const head = await sendRaw(slow.url, 'GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-', 10_000)
      requireProblem(head, 408, 'request_timeout', 'header fields')
    } finally {
      await slow.close()
    }
  })

  test('the type is the URL of a page; every code has one', async () => {
    const missing = await call<Problem>(`${api.url}/v1/models/mdl_${UNKNOWN}`)
    assert.equal(missing.body.type, `${api.url}/problems/not_found`)
    for (const code of ERROR_CODES) {
      const page = await fetch(`${api.url}/problems/${code}`, { headers: { accept: 'text/html' } })
      assert.equal(page.status, 200, code)
      assert.match(await page.text(), new RegExp(`<code>${code}</code>`))
    }
    assert.equal((await call(`${api.url}/problems/nonsense`)).status, 404)
    assert.equal((await call(`${api.url}/problems/__proto__`)).status, 404)
    const raw = await sendRaw(api.url, 'hello\r\n\r\n')
    assert.equal((await fetch(String(raw.body.type))).status, 200)
  })

  test('the root of a body is the empty pointer; names are escaped', async () => {
    const root = await post<Problem>(`${api.url}/v1/jobs`, 5)
    assert.deepEqual([root.status, root.body.errors?.map(({ pointer }) => pointer)], [422, ['']])
    const named = await post<Problem>(`${api.url}/v1/jobs`, {
      model_id: job.request.model_id,
      target: 'cpu-int8',
      method: { type: 'dynamic' },
      input_shapes: { 'a/b~c': [-1] },
    })
    assert.ok(named.body.errors?.some(({ pointer }) => pointer.startsWith('/input_shapes/a~1b~0c')))
  })

  test('names and ids of odd forms are never 500', async () => {
    const odd = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', `job_${UNKNOWN}:events`, 'a:b', '%00', '..']
    const own = job.id
    const paths = ['models', 'datasets', 'jobs', 'artifacts', 'targets'].flatMap((kind) =>
      [...odd, `${own}:events`, own.toUpperCase()].map((id) => `/v1/${kind}/${id}`),
    )
    for (const path of paths) {
      for (const rest of ['', '/events', '/report', '/content', '/artifacts']) {
        const { status, headers } = await call(api.url + path + rest)
        assert.equal(status, 404, path + rest)
        assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/, path)
      }
    }
    for (const id of [...odd, `${job.request.model_id}:x`]) {
      const request = { model_id: id, target: 'cpu-int8', method: { type: 'static' }, calibration: { dataset_id: id } }
      const { status, body } = await post<Problem>(`${api.url}/v1/jobs`, request)
      assert.deepEqual([status, body.code], [422, 'invalid_request'], id)
    }
  })

  test('odd names within uploads and requests are never 500', async () => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty']
    for (const name of names) {
      const data = zip([{ name: `${name}.npy`, bytes: npy(new Uint8Array(24)) }])
      const dataset = await upload(`${api.url}/v1/datasets`, data, { spec: `{"arrays":{"${name}":{"scale":2}}}` })
      assert.ok(dataset.status < 500, `${name}: ${dataset.status}`)
      const form = new FormData()
      form.set('file', new Blob([convNet() as Uint8Array<ArrayBuffer>]), 'model.onnx')
      form.set(name, 'x')
      form.append('external', new Blob(['x']), name)
      form.set('metadata', `{"${name}":"x"}`)
      const model = await call(`${api.url}/v1/models`, { method: 'POST', body: form })
      assert.ok(model.status < 500, `${name}: ${model.status} ${JSON.stringify(model.body)}`)
      const raw = `{"model_id":"${job.request.model_id}","target":"cpu-int8","method":{"type":"dynamic"},`
      for (const rest of [
        `"input_shapes":{"${name}":[1]}}`,
        `"input_values":{"${name}":1}}`,
        `"metadata":{"${name}":"x"}}`,
        `"${name}":{}}`,
      ]) {
        const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: raw + rest }
        const { status } = await call(`${api.url}/v1/jobs?dry_run=true`, init)
        assert.ok(status < 500, `${name} ${rest}: ${status}`)
      }
      for (const query of [`${name}=1`, `after=${name}`, `model_id=${name}`])
        assert.equal((await call(`${api.url}/v1/jobs?${query}`)).status, 422, query)
      assert.ok((await call(`${api.url}/v1/jobs?target=${name}`)).status < 500)
    }
  })

  test('a filter or a cursor that a list does not know is 422', async () => {
    const queries = ['state=queued', 'after=x', 'limit=-1', 'limit=2&limit=3']
    for (const list of ['models', 'datasets', 'jobs', `jobs/${job.id}/events`]) {
      for (const query of queries) {
        const { status, body } = await call<Problem>(`${api.url}/v1/${list}?${query}`)
        assert.deepEqual([status, body.code], [422, 'invalid_request'], `${list}?${query}`)
      }
    }
    assert.equal((await call(`${api.url}/v1/jobs?model_id=nonsense`)).status, 422)
    const before = (await call<{ data: Job[] }>(`${api.url}/v1/jobs`)).body.data.length
    const { target, method, model_id } = job.request
    assert.equal((await post(`${api.url}/v1/jobs?dryrun=true`, { target, method, model_id })).status, 422)
    assert.equal((await call<{ data: Job[] }>(`${api.url}/v1/jobs`)).body.data.length, before)
  })

  test('If-Match holds an action back from another state', async () => {
    const model = await create(api.url, 'models', mlp(77))
    const url = `${api.url}/v1/models/${model}`
    const etag = (await fetch(url)).headers.get('etag')!
    const wrong = await call<Problem>(url, { method: 'DELETE', headers: { 'if-match': '"other"' } })
    assert.deepEqual([wrong.status, wrong.body.code], [412, 'precondition_failed'])
    const unread = await call<Problem>(`${url}/content`, { headers: { 'if-match': '"other"' } })
    assert.equal(unread.status, 412)
    assert.equal((await call(url, { method: 'DELETE', headers: { 'if-match': etag } })).status, 204)
    const other = await startJob(api.url, { method: { type: 'dynamic' }, calibration: undefined }, mlp())
    const version = (await fetch(`${api.url}/v1/jobs/${other.id}`)).headers.get('etag')!
    const cancel = (tag: string) =>
      call(`${api.url}/v1/jobs/${other.id}/cancel`, { method: 'POST', headers: { 'if-match': tag } })
    assert.equal((await cancel('W/"999"')).status, 412)
    assert.equal((await cancel(version)).status, 200)
    assert.equal((await cancel(version)).status, 412)
    assert.equal((await cancel('*')).status, 200)
  })

  test('a POST that needs no body takes none, whatever its type', async () => {
    const other = await startJob(api.url, { method: { type: 'dynamic' }, calibration: undefined }, mlp())
    const init = { method: 'POST', headers: { 'content-type': 'application/json' } }
    assert.equal((await call(`${api.url}/v1/jobs/${other.id}/cancel`, init)).status, 200)
    const { status, body } = await call<Problem>(`${api.url}/v1/jobs`, init)
    assert.deepEqual([status, body.code], [400, 'malformed_request'])
  })

  test('range units have no case', async () => {
    const url = `${api.url}/v1/models/${job.request.model_id}/content`
    for (const range of ['bytes=0-3', 'Bytes=0-3', 'BYTES=0-3']) {
      const answer = await fetch(url, { headers: { range } })
      assert.deepEqual([answer.status, (await answer.arrayBuffer()).byteLength], [206, 4], range)
    }
  })

  test('a stream with a bad Last-Event-ID is refused before it begins; one that is over says so', async () => {
    const url = `${api.url}/v1/jobs/${job.id}/events`
    const stream = { accept: 'text/event-stream' }
    for (const id of ['nonsense', 'evt_1', 'evt_99999999999999999999-1', '']) {
      const { status, headers } = await call(url, { headers: { ...stream, 'last-event-id': id } })
      assert.equal(status, 422, id)
      assert.match(headers.get('content-type') ?? '', /^application\/problem\+json/)
    }
    await post(`${api.url}/v1/jobs/${job.id}/cancel`, {})
    const first = await fetch(url, { headers: stream })
    const ids = [...(await first.text()).matchAll(/^id: (.*)$/gm)].map(([, id]) => id!)
    assert.equal(ids.length, 2)
    const resumed = await fetch(url, { headers: { ...stream, 'last-event-id': ids[0]! } })
    assert.deepEqual([resumed.status, (await resumed.text()).includes(ids[1]!)], [200, true])
    assert.equal((await fetch(url, { headers: { ...stream, 'last-event-id': ids[1]! } })).status, 204)
    assert.equal((await fetch(url, { method: 'HEAD', headers: stream })).status, 200)
  })
})
