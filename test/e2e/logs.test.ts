/** Lines of the log name request and job, in every process, and none of them holds a secret that the run used. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { call, post } from '../kit/client.ts'
import { mlp } from '../kit/model.ts'
import { listen, receiver } from '../kit/receiver.ts'
import { type Service, startService, until } from '../kit/service.ts'

const BOOTSTRAP = 'the-operator-chose-this-key'
const JOB_SECRET = `whsec_${Buffer.from('a secret of the job itself, 32 by').toString('base64')}`
const IN_URL = 'nobody-may-read-this-token'
const IDEMPOTENCY = 'the-key-that-decrypts-the-answer'

interface Line {
  level: number
  process: string
  msg: string
  request_id?: string
  job_id?: string
}

describe('logs', () => {
  let service: Service
  before(async () => {
    const env = {
      LOG_LEVEL: 'trace',
      REQUIRE_KEYS: 'true',
      WEBHOOK_ALLOW_PRIVATE: 'true',
      FEWBIT_BOOTSTRAP_KEY: BOOTSTRAP,
    }
    service = await startService(env)
  })
  after(() => service.close())

  const linesOf = (): Line[] =>
    service
      .log()
      .split('\n')
      .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Line] : []))
  const as = (key: string, more: Record<string, string> = {}) => ({ authorization: `Bearer ${key}`, ...more })

  /** A model of the caller's, by a raw upload. */
  const uploadModel = async (key: string): Promise<string> => {
    const headers = as(key, { 'content-type': 'application/octet-stream' })
    const body = mlp() as Uint8Array<ArrayBuffer>
    return (await call<{ id: string }>(`${service.url}/v1/models`, { method: 'POST', headers, body })).body.id
  }
  const jobWith = async (key: string, id: string) =>
    (await call<{ status: string }>(`${service.url}/v1/jobs/${id}`, { headers: as(key) })).body

  test('a job can be followed by its id, and by that of its request, through API, worker and notify', async (t) => {
    const { server, received } = receiver(500, 204)
    const hook = await listen(t, server)
    const model_id = await uploadModel(BOOTSTRAP)
    const request = {
      model_id,
      target: 'cpu-int8',
      method: { type: 'dynamic' },
      webhook: { url: `${hook}?token=${IN_URL}`, events: ['job.succeeded'], secret: JOB_SECRET },
    }
    const headers = as(BOOTSTRAP, { 'idempotency-key': IDEMPOTENCY })
    const { body, headers: answered } = await post<{ id: string }>(`${service.url}/v1/jobs`, request, headers)
    await until(async () => (await jobWith(BOOTSTRAP, body.id)).status === 'succeeded', 'it does not succeed')
    await until(() => received.length === 1, 'no webhook')
    const request_id = answered.get('x-request-id') ?? ''
    const told = (process: string, msg: string, by: Partial<Line>) =>
      linesOf().some(
        (line) =>
          line.process === process &&
          line.msg === msg &&
          Object.entries(by).every(([name, value]) => line[name as keyof Line] === value),
      )
    await until(() => told('notify', 'webhook not delivered', { job_id: body.id }), 'notify does not name the job')
    for (const [process, msg] of [
      ['api', 'job accepted'],
      ['worker', 'attempt starts'],
      ['worker', 'attempt ended'],
    ] as const)
      assert.ok(told(process, msg, { job_id: body.id, request_id }), `${process}: ${msg}`)
    assert.ok(told('api', 'request completed', { request_id }))
  })

  test('no line holds a secret that was used', async () => {
    const made = await post<{ key: string }>(
      `${service.url}/v1/api-keys`,
      { name: 'k', scopes: ['read', 'write', 'admin'], owner: 'acme' },
      as(BOOTSTRAP),
    )
    const { key } = made.body
    const endpoint = await post<{ secret: string; id: string }>(
      `${service.url}/v1/webhook-endpoints`,
      { url: 'http://127.0.0.1:9/x' },
      as(key),
    )
    const shared = await call<{ secret: string }>(`${service.url}/v1/webhook-secret`, { headers: as(key) })
    const request = { model_id: await uploadModel(key), target: 'cpu-int8', method: { type: 'dynamic' } }
    const { body } = await post<{ id: string }>(`${service.url}/v1/jobs`, request, as(key))
    await until(async () => (await jobWith(key, body.id)).status === 'succeeded', 'it does not succeed')
    const wrong = `${key.slice(0, -1)}${key.endsWith('a') ? 'b' : 'a'}`
    assert.equal((await call(`${service.url}/v1/jobs?ticket=${IN_URL}`, { headers: as(wrong) })).status, 401)
    // answers and errors of a service whose Redis is gone are logged with all that they carry
    await service.redis.kill('SIGKILL')
    await call(`${service.url}/v1/jobs`, { headers: as(key) })
    await post(
      `${service.url}/v1/webhook-endpoints`,
      { url: 'http://127.0.0.1:9/y' },
      as(key, { 'idempotency-key': IDEMPOTENCY }),
    )
    await service.redis.start()
    const secrets = {
      BOOTSTRAP,
      JOB_SECRET,
      IN_URL,
      IDEMPOTENCY,
      key,
      wrong,
      endpoint: endpoint.body.secret,
      shared: shared.body.secret,
    }
    for (const [name, secret] of Object.entries(secrets)) {
      assert.ok(secret.length > 15, name)
      assert.ok(
        !service.log().includes(secret),
        `${name} is in ${service
          .log()
          .split('\n')
          .find((line) => line.includes(secret))}`,
      )
    }
    assert.ok(linesOf().length > 30)
    assert.ok(linesOf().some(({ level }) => level >= 40))
  })
})
