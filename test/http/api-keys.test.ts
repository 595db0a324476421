/** API keys: made, shown once, scoped, rotated, revoked; what is kept of them is of no use to a thief. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { ApiKey, NewApiKey } from '../../src/api-keys/api-key.ts'
import { withBootstrapKey } from '../../src/api-keys/bootstrap-key.ts'
import { isKeyText, makeKeyText } from '../../src/api-keys/key-text.ts'
import { requiresKeys } from '../../src/shared/binding.ts'
import { readConfig } from '../../src/shared/config.ts'
import { type Api, startApi } from '../kit/api.ts'
import { type Answer, call } from '../kit/client.ts'
import { leashed } from '../kit/processes.ts'
import { endProcess, startRedis } from '../kit/redis.ts'

const BOOTSTRAP = 'the-operators-first-key-of-this-test'

interface Problem {
  code: string
}

describe('API keys', () => {
  let api: Api
  before(async () => {
    api = await startApi({ REQUIRE_KEYS: 'true', FEWBIT_BOOTSTRAP_KEY: BOOTSTRAP })
  })
  after(() => api.close())

  const as = <T = Record<string, never>>(
    key: string,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<Answer<T>> =>
    call<T>(`${api.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
  const make = async (body: object, by = BOOTSTRAP): Promise<NewApiKey> => {
    const answer = await as<NewApiKey>(by, 'POST', '/v1/api-keys', { name: 'k', scopes: ['read'], ...body })
    assert.equal(answer.status, 201, JSON.stringify(answer.body))
    return answer.body
  }
  const statusOf = async (key: string) => (await as(key, 'GET', '/v1/models')).status

  test('a key is shown once, works, and lies in Redis only as a hash', async () => {
    const made = await make({ name: 'ci', scopes: ['read', 'write'] })
    assert.ok(isKeyText(made.key) && made.key.startsWith(made.starts_with))
    assert.deepEqual([made.owner, made.scopes, made.last_used_at], ['local', ['read', 'write'], null])
    assert.equal(await statusOf(made.key), 200)
    for (const path of ['/v1/api-keys', `/v1/api-keys/${made.id}`])
      assert.ok(!JSON.stringify((await as(BOOTSTRAP, 'GET', path)).body).includes(made.key), path)
    for (const name of await api.deps.redis.keys('*')) {
      const kind = await api.deps.redis.type(name)
      const value =
        kind === 'hash' ? await api.deps.redis.hgetall(name) : kind === 'string' ? await api.deps.redis.get(name) : ''
      assert.ok(!(name + JSON.stringify(value)).includes(made.key), name)
    }
  })

  test('without a key, with one that is none, or with another scheme: 401 with a challenge', async () => {
    const fields = [
      '',
      'Bearer',
      'Bearer x',
      `Bearer ${makeKeyText()}`,
      `Bearer ${BOOTSTRAP}x`,
      `Basic ${BOOTSTRAP}`,
      `Bearer ${BOOTSTRAP} x`,
    ]
    for (const authorization of fields) {
      const { status, body, headers } = await call<Problem>(`${api.url}/v1/models`, {
        headers: authorization === '' ? {} : { authorization },
      })
      assert.deepEqual([status, body.code], [401, 'unauthenticated'], authorization)
      assert.match(headers.get('www-authenticate') ?? '', /^Bearer realm=/)
    }
    for (const path of ['/livez', '/readyz', '/problems', '/openapi.json', '/docs'])
      assert.equal((await call(`${api.url}${path}`)).status, 200, path)
  })

  test('an upload without a key is refused before it is read', async () => {
    const { status } = await call(`${api.url}/v1/models`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: new Uint8Array(1 << 20),
    })
    assert.equal(status, 401)
    assert.equal((await api.storedFiles()).length, 0)
  })

  test('each scope allows its own and nothing else', async () => {
    const keys = { read: '', write: '', admin: '' }
    for (const scope of Object.keys(keys) as (keyof typeof keys)[]) keys[scope] = (await make({ scopes: [scope] })).key
    const calls = { read: ['GET', '/v1/models'], write: ['DELETE', '/v1/models/mdl_x'], admin: ['GET', '/v1/api-keys'] }
    for (const [needed, [method, path]] of Object.entries(calls)) {
      for (const [scope, key] of Object.entries(keys)) {
        const { status, body, headers } = await as<Problem>(key, method!, path!)
        if (scope === needed) assert.ok(status < 300 || status === 404, `${scope}: ${status}`)
        else {
          assert.deepEqual([status, body.code], [403, 'insufficient_scope'], `${scope} ${method} ${path}`)
          assert.match(headers.get('www-authenticate') ?? '', new RegExp(`scope="${needed}"`))
        }
      }
    }
  })

  test('a rotated key works beside the new one until its time is over; at most one of them', async () => {
    const made = await make({})
    const rotate = async (grace: number) =>
      (await as<NewApiKey>(BOOTSTRAP, 'POST', `/v1/api-keys/${made.id}/rotate?grace_seconds=${grace}`)).body
    const second = await rotate(60)
    assert.ok(second.previous_expires_at)
    assert.deepEqual([second.id, await statusOf(made.key), await statusOf(second.key)], [made.id, 200, 200])
    const third = await rotate(1)
    assert.deepEqual([await statusOf(made.key), await statusOf(second.key), await statusOf(third.key)], [401, 200, 200])
    await delay(1100)
    assert.deepEqual([await statusOf(second.key), await statusOf(third.key)], [401, 200])
    const fourth = await rotate(0)
    assert.deepEqual([await statusOf(third.key), await statusOf(fourth.key)], [401, 200])
    assert.equal((await as(BOOTSTRAP, 'GET', '/v1/api-keys')).status, 200)
  })

  test('rotations at once leave two keys that work at most', async () => {
    const made = await make({})
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => as<NewApiKey>(BOOTSTRAP, 'POST', `/v1/api-keys/${made.id}/rotate`)),
    )
    const keys = [made.key, ...answers.map(({ body }) => body.key)]
    const statuses = await Promise.all(keys.map(statusOf))
    assert.equal(statuses.filter((status) => status === 200).length, 2)
    await as(BOOTSTRAP, 'DELETE', `/v1/api-keys/${made.id}`)
    assert.ok((await Promise.all(keys.map(statusOf))).every((status) => status === 401))
  })

  test('a revoked key is gone at once, with the one before it', async () => {
    const made = await make({})
    const { body: next } = await as<NewApiKey>(BOOTSTRAP, 'POST', `/v1/api-keys/${made.id}/rotate`)
    assert.equal((await as(BOOTSTRAP, 'DELETE', `/v1/api-keys/${made.id}`)).status, 204)
    assert.deepEqual([await statusOf(made.key), await statusOf(next.key)], [401, 401])
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/rotate'],
    ])
      assert.equal((await as(BOOTSTRAP, method!, `/v1/api-keys/${made.id}${path}`)).status, 404)
    const { body } = await as<{ data: ApiKey[] }>(BOOTSTRAP, 'GET', '/v1/api-keys?limit=100')
    assert.ok(!body.data.some(({ id }) => id === made.id))
  })

  test('the last use is recorded, to the minute', async () => {
    const made = await make({})
    await statusOf(made.key)
    const used = async () => (await as<ApiKey>(BOOTSTRAP, 'GET', `/v1/api-keys/${made.id}`)).body.last_used_at
    for (let tries = 0; (await used()) === null && tries < 50; tries++) await delay(20)
    assert.ok(Math.abs(Date.parse((await used())!) - Date.now()) < 60_000)
  })

  test('only the operator makes keys of other owners, and an owner manages its own only', async () => {
    const admin = await make({ owner: 'acme', scopes: ['admin', 'read'] })
    const mine = await make({ name: 'mine' })
    assert.equal(admin.owner, 'acme')
    assert.equal((await make({}, admin.key)).owner, 'acme')
    for (const body of [{ owner: 'other' }, { owner: 'local' }]) {
      const refused = await as<Problem>(admin.key, 'POST', '/v1/api-keys', { name: 'k', scopes: ['read'], ...body })
      assert.deepEqual([refused.status, refused.body.code], [403, 'insufficient_scope'])
    }
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/rotate'],
    ])
      assert.equal((await as(admin.key, method!, `/v1/api-keys/${mine.id}${path}`)).status, 404)
    const owned = await as<{ data: ApiKey[] }>(admin.key, 'GET', '/v1/api-keys')
    assert.ok(owned.body.data.every(({ owner }) => owner === 'acme') && owned.body.data.length === 2)
    assert.equal((await as(admin.key, 'GET', '/v1/api-keys?owner=local')).status, 403)
    const seen = await as<{ data: ApiKey[] }>(BOOTSTRAP, 'GET', '/v1/api-keys?owner=acme&limit=1')
    assert.equal(seen.body.data.length, 1)
    assert.equal((await as(BOOTSTRAP, 'DELETE', `/v1/api-keys/${admin.id}`)).status, 204)
  })

  test('a request that makes no sense is 422, and an owner keeps a hundred keys', async () => {
    for (const body of [{ scopes: [] }, { scopes: ['root'] }, { name: '' }, { owner: 'A:b' }, { extra: 1 }])
      assert.equal((await as(BOOTSTRAP, 'POST', '/v1/api-keys', { name: 'k', scopes: ['read'], ...body })).status, 422)
    const answers = await Promise.all(
      Array.from({ length: 110 }, () =>
        as(BOOTSTRAP, 'POST', '/v1/api-keys', { name: 'k', scopes: ['read'], owner: 'many' }),
      ),
    )
    assert.deepEqual(answers.filter(({ status }) => status === 201).length, 100)
    assert.deepEqual(answers.filter(({ status }) => status === 409).length, 10)
  })
})

describe('without REQUIRE_KEYS on this machine', () => {
  let api: Api
  before(async () => {
    api = await startApi()
  })
  after(() => api.close())

  test('no key is needed, but one that is sent counts', async () => {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' } }
    const made = await call<NewApiKey>(`${api.url}/v1/api-keys`, {
      ...init,
      body: JSON.stringify({ name: 'k', scopes: ['read'], owner: 'acme' }),
    })
    assert.equal(made.status, 201)
    const withKey = (key: string) => ({ headers: { authorization: `Bearer ${key}` } })
    assert.equal((await call(`${api.url}/v1/models`)).status, 200)
    assert.equal((await call(`${api.url}/v1/api-keys`, withKey(made.body.key))).status, 403)
    assert.equal((await call(`${api.url}/v1/models`, withKey('fb_wrong'))).status, 401)
    assert.equal((await call(`${api.url}/v1/models`, { headers: { authorization: 'Basic eDp5' } })).status, 200)
  })
})

test('a key has a checksum and enough randomness', () => {
  const keys = Array.from({ length: 200 }, makeKeyText)
  assert.equal(new Set(keys).size, 200)
  for (const key of keys) {
    assert.match(key, /^fb_[0-9A-Za-z]{49}$/)
    assert.ok(isKeyText(key))
    const place = 3 + Math.floor(Math.random() * 49)
    const other = key[place] === 'x' ? 'y' : 'x'
    assert.ok(!isKeyText(key.slice(0, place) + other + key.slice(place + 1)))
  }
})

test('keys are required beyond this machine, and where it is said', () => {
  const required = (env: Record<string, string>) => requiresKeys(readConfig(env))
  const open = { HOST: '0.0.0.0', ALLOW_UNAUTHENTICATED_NETWORK_ACCESS: 'true' }
  assert.equal(required({}), false)
  assert.equal(required({ FEWBIT_BOOTSTRAP_KEY: BOOTSTRAP }), false)
  assert.equal(required({ REQUIRE_KEYS: 'true' }), true)
  assert.equal(required({ HOST: '0.0.0.0' }), true)
  assert.equal(required(open), false)
  assert.equal(required({ ...open, FEWBIT_BOOTSTRAP_KEY: BOOTSTRAP }), true)
  assert.equal(required({ ...open, REQUIRE_KEYS: 'true' }), true)
  assert.throws(() => readConfig({ FEWBIT_BOOTSTRAP_KEY: 'short' }), /FEWBIT_BOOTSTRAP_KEY/)
})

test('the bootstrap key may lie in a file, and a service beyond loopback starts with it', async (t) => {
  const redis = await startRedis()
  t.after(() => redis.close())
  const file = join(redis.directory, 'key')
  writeFileSync(file, `${BOOTSTRAP}\n`)
  assert.equal(withBootstrapKey(readConfig({ FEWBIT_BOOTSTRAP_KEY_FILE: file })).FEWBIT_BOOTSTRAP_KEY, BOOTSTRAP)
  const [command, ...args] = leashed([process.execPath, join(import.meta.dirname, '..', '..', 'src', 'server.js')])
  const server = spawn(command, args, {
    env: {
      PATH: process.env.PATH,
      HOST: '0.0.0.0',
      PORT: '0',
      REDIS_URL: redis.url,
      DATA_DIR: redis.directory,
      FEWBIT_BOOTSTRAP_KEY_FILE: file,
      LOG_LEVEL: 'trace',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => endProcess(server, 'SIGKILL'))
  let written = ''
  for (const stream of [server.stdout, server.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      written += text
    })
  for (let tries = 0; !/listening on/.test(written) && tries < 400; tries++) await delay(50)
  const port = /listening on http:\/\/[^:]+:(\d+)/.exec(written)?.[1]
  const models = `http://127.0.0.1:${port}/v1/models`
  assert.equal((await call(models)).status, 401)
  assert.equal((await call(models, { headers: { authorization: `Bearer ${BOOTSTRAP}` } })).status, 200)
  assert.ok(!written.includes(BOOTSTRAP), 'the log names the key')
})
