/** What keeps web pages out of a service on their visitor's machine, and the network out of one without keys. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { isLoopback, refuseOpenBinding } from '../../src/shared/binding.ts'
import { readConfig } from '../../src/shared/config.ts'
import { type Api, startApi } from '../kit/api.ts'
import { type RawAnswer, sendRaw } from '../kit/raw.ts'

const FORM = '--b\r\nContent-Disposition: form-data; name="file"; filename="m.onnx"\r\n\r\nxyz\r\n--b--\r\n'

describe('a page of a foreign site', () => {
  let api: Api
  let own: string
  before(async () => {
    api = await startApi({ CORS_ORIGINS: 'https://app.example', ALLOWED_HOSTS: 'fewbit.example' })
    own = new URL(api.url).host
  })
  after(() => api.close())

  const send = (line: string, fields: Record<string, string>, body = ''): Promise<RawAnswer> => {
    const all = { host: own, ...fields, ...(body && { 'content-length': String(body.length) }) }
    const head = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
    return sendRaw(api.url, `${line} HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n${body}`)
  }

  test('cannot reach it by a name that points here', async () => {
    for (const host of [
      'evil.example',
      'evil.example:8080',
      `${own}.evil.example`,
      'localhost.evil.example',
      '10.0.0.1',
      '@',
    ])
      for (const path of ['/v1/models', '/livez', '/docs', '/nothing']) {
        const { status, body } = await send(`GET ${path}`, { host })
        assert.deepEqual([status, body.code], [421, 'misdirected_request'], `${host} ${path}`)
      }
    for (const host of [own, 'localhost', 'LOCALHOST:8080', '[::1]:8080', 'fewbit.example', 'api.localhost'])
      assert.equal((await send('GET /livez', { host })).status, 200, host)
  })

  test('cannot post a form, read, or delete', async () => {
    const type = 'multipart/form-data; boundary=b'
    const pages: Record<string, string>[] = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: 'http://localhost:1' },
      { origin: 'https://app.example.evil.example' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
    ]
    for (const fields of pages) {
      const { status, body } = await send('POST /v1/models', { ...fields, 'content-type': type }, FORM)
      assert.deepEqual([status, body.code], [403, 'cross_site_request'], JSON.stringify(fields))
    }
    for (const line of ['GET /v1/models', 'DELETE /v1/models/x', 'OPTIONS /v1/models']) {
      const { status, headers } = await send(line, { origin: 'https://evil.example' })
      assert.equal(status, 403, line)
      assert.equal(headers['access-control-allow-origin'], undefined)
    }
    assert.equal((await api.storedFiles()).length, 0)
  })

  test('may link here; our own pages and programs may do everything', async () => {
    const visit = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
    assert.equal((await send('GET /problems', visit)).status, 200)
    const friends: Record<string, string>[] = [
      {},
      { origin: `http://${own}` },
      { 'sec-fetch-site': 'same-origin' },
      { 'sec-fetch-site': 'none' },
    ]
    for (const fields of friends)
      assert.equal((await send('GET /v1/models', fields)).status, 200, JSON.stringify(fields))
  })

  test('may call when the operator named it', async () => {
    const origin = 'https://app.example'
    const cross = { origin, 'sec-fetch-site': 'cross-site' }
    const preflight = await send('OPTIONS /v1/jobs', { ...cross, 'access-control-request-method': 'POST' })
    assert.deepEqual([preflight.status, preflight.headers['access-control-allow-origin']], [204, origin])
    assert.match(preflight.headers['access-control-allow-headers'] ?? '', /Authorization/)
    for (const path of ['/v1/models', '/v1/models/x']) {
      const { headers } = await send(`GET ${path}`, cross)
      assert.deepEqual([headers['access-control-allow-origin'], headers.vary], [origin, 'Origin'], path)
    }
    assert.equal((await send('GET /v1/models', {})).headers['access-control-allow-origin'], undefined)
  })
})

describe('an address', () => {
  test('is of this machine or not', () => {
    for (const own of ['127.0.0.1', '127.9.9.9', '::1', 'localhost', '::ffff:127.0.0.1'])
      assert.ok(isLoopback(own), own)
    for (const other of ['0.0.0.0', '::', '10.0.0.1', 'example.org', '128.0.0.1', ''])
      assert.ok(!isLoopback(other), other)
  })

  test('beyond this machine is bound only when somebody said so', () => {
    const open = (env: Record<string, string>) => refuseOpenBinding(readConfig(env))
    for (const HOST of ['0.0.0.0', '::', '192.168.1.5', 'myhost'])
      assert.throws(() => open({ HOST }), /without a key.*ALLOW_UNAUTHENTICATED_NETWORK_ACCESS/)
    open({ HOST: '0.0.0.0', ALLOW_UNAUTHENTICATED_NETWORK_ACCESS: 'true' })
    open({ HOST: '0.0.0.0', FEWBIT_BOOTSTRAP_KEY: 'the-key-of-the-operator' })
    open({ HOST: '0.0.0.0', REQUIRE_KEYS: 'true' })
    const contradiction = { REQUIRE_KEYS: 'false', FEWBIT_BOOTSTRAP_KEY: 'the-key-of-the-operator' }
    assert.throws(() => open({ HOST: '0.0.0.0', ...contradiction }), /without a key/)
    open({})
    for (const entry of ['src/server.js', 'workers/dev.js']) {
      const env = { PATH: process.env.PATH, HOST: '0.0.0.0', PORT: '0', REDIS_URL: 'unix:/nowhere/redis.sock' }
      const run = spawnSync(process.execPath, [join(import.meta.dirname, '..', '..', entry)], { env, timeout: 20_000 })
      assert.notEqual(run.status, 0, entry)
      assert.match(String(run.stderr), /ALLOW_UNAUTHENTICATED_NETWORK_ACCESS/, entry)
    }
  })
})
