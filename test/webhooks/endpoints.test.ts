/** Webhook endpoints: registered, told of every job by filter, rotated without downtime, tested, logged, sent again, disabled when gone. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, type TestContext, test } from 'node:test'
import type { WebhookDelivery } from '../../src/webhooks/deliveries/delivery.ts'
import type { NewWebhookEndpoint, WebhookEndpoint } from '../../src/webhooks/endpoints/endpoint.ts'
import { type Answer, call, create, type Job, post } from '../kit/client.ts'
import { mlp } from '../kit/model.ts'
import { listen, type Received, receiver, verified, webhookIdOf } from '../kit/receiver.ts'
import { type Service, startService, until } from '../kit/service.ts'

interface Problem {
  code: string
  errors?: { pointer: string }[]
}
interface List<T> {
  data: T[]
  has_more: boolean
  next_cursor: string | null
}

describe('webhook endpoints', () => {
  let service: Service
  let endpoints: string
  let model_id: string
  before(async () => {
    const env = { WEBHOOK_ALLOW_PRIVATE: 'true', WEBHOOK_RETRY_SECONDS: '0.2,0.2' }
    service = await startService(env, ['api', 'notify'])
    endpoints = `${service.url}/v1/webhook-endpoints`
    model_id = await create(service.url, 'models', mlp())
  })
  after(() => service.close())

  const patch = <T = WebhookEndpoint>(id: string, body: unknown, headers: Record<string, string> = {}) =>
    call<T>(`${endpoints}/${id}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  const register = async (t: TestContext, body: Record<string, unknown>): Promise<NewWebhookEndpoint> => {
    const made = await post<NewWebhookEndpoint>(endpoints, body)
    assert.equal(made.status, 201, JSON.stringify(made.body))
    t.after(() => call(`${endpoints}/${made.body.id}`, { method: 'DELETE' }))
    return made.body
  }
  const submit = (webhook?: object): Promise<Answer<Job>> =>
    post<Job>(`${service.url}/v1/jobs`, {
      model_id,
      target: 'cpu-int8',
      method: { type: 'dynamic' },
      ...(webhook && { webhook }),
    })
  /** A job that no worker takes, and that ends at once. */
  const canceledJob = async (webhook?: object): Promise<string> => {
    const { status, body } = await submit(webhook)
    assert.equal(status, 202, JSON.stringify(body))
    await post(`${service.url}/v1/jobs/${body.id}/cancel`, {})
    return body.id
  }
  const logOf = async (id: string) => (await call<List<WebhookDelivery>>(`${endpoints}/${id}/deliveries`)).body.data
  const deliveryOf = async (id: string, state: string): Promise<WebhookDelivery> => {
    await until(async () => (await logOf(id))[0]?.status === state, `no ${state} delivery`)
    return (await logOf(id))[0]!
  }
  const resend = <T = WebhookDelivery>({ id, endpoint_id }: WebhookDelivery) =>
    post<T>(`${endpoints}/${endpoint_id}/deliveries/${id}/resend`, {})
  const hookThat = async (t: TestContext, ...statuses: number[]): Promise<{ url: string; received: Received[] }> => {
    const { server, received } = receiver(...statuses)
    return { url: await listen(t, server), received }
  }

  test('made, listed, changed and deleted; the secret is in the first answer only', async (t) => {
    const made = await register(t, { url: 'https://example.org/a', description: 'ours' })
    assert.match(made.secret, /^whsec_/)
    const ends = ['succeeded', 'failed', 'canceled']
    const usual = [...ends.map((end) => `job.${end}`), 'job.expired', ...ends.map((end) => `comparison.${end}`)]
    assert.deepEqual(made.events, usual)
    const read = await call<WebhookEndpoint>(`${endpoints}/${made.id}`)
    const { secret: _, ...shown } = made
    assert.deepEqual(read.body, shown)
    const changed = await patch(made.id, { events: ['job.started'], status: 'disabled' }, { 'if-match': 'W/"1"' })
    assert.deepEqual([changed.status, changed.body.events, changed.body.url], [200, ['job.started'], made.url])
    assert.deepEqual([changed.body.status, changed.body.disabled_reason], ['disabled', null])
    assert.equal((await patch(made.id, { url: 'https://example.org/b' }, { 'if-match': 'W/"1"' })).status, 412)
    const listed = await call<List<WebhookEndpoint>>(endpoints)
    assert.deepEqual(listed.body.data, [changed.body])
    assert.ok(!JSON.stringify(listed.body).includes('whsec_'))
    assert.equal((await call(`${endpoints}/${made.id}`, { method: 'DELETE' })).status, 204)
    for (const method of ['GET', 'DELETE'])
      assert.equal((await call(`${endpoints}/${made.id}`, { method })).status, 404)
    assert.equal((await patch(made.id, {})).status, 404)
  })

  test('what makes no sense is refused with a pointer, and an owner keeps twenty', async () => {
    const refused = async (body: object) =>
      (await post<Problem>(endpoints, body)).body.errors?.map((one) => one.pointer)
    assert.deepEqual(await refused({ url: 'gopher://example.org' }), ['/url'])
    assert.deepEqual(await refused({ url: 'https://user:pw@example.org' }), ['/url'])
    assert.deepEqual(await refused({ url: 'https://example.org', events: ['job.exploded'] }), ['/events/0'])
    assert.deepEqual(await refused({ url: 'https://example.org', events: [] }), ['/events'])
    const many = await Promise.all(
      Array.from({ length: 23 }, () => post<NewWebhookEndpoint>(endpoints, { url: 'https://example.org' })),
    )
    assert.deepEqual(many.map(({ status }) => status).toSorted(), [...Array(20).fill(201), 409, 409, 409])
    const made = many.filter(({ status }) => status === 201).map(({ body }) => body.id)
    await Promise.all(made.map((id) => call(`${endpoints}/${id}`, { method: 'DELETE' })))
    assert.equal((await call<List<WebhookEndpoint>>(endpoints)).body.data.length, 0)
  })

  test('each is told what its filter lets through, and one event has one id wherever it goes', async (t) => {
    const [all, started, own] = [await hookThat(t, 204), await hookThat(t, 204), await hookThat(t, 204)]
    const endpoint = await register(t, { url: all.url })
    await register(t, { url: started.url, events: ['job.started'] })
    const id = await canceledJob({ url: own.url })
    await until(() => all.received.length === 1 && own.received.length === 1, 'two deliveries')
    const body = verified(endpoint.secret, all.received[0]!)
    assert.deepEqual([body.type, body.data.id, body.data.status], ['job.canceled', id, 'canceled'])
    assert.equal(webhookIdOf(all.received[0]!), webhookIdOf(own.received[0]!))
    assert.equal(all.received[0]!.body, own.received[0]!.body)
    const delivery = await deliveryOf(endpoint.id, 'succeeded')
    assert.deepEqual([delivery.job_id, delivery.event_type, delivery.attempt_count], [id, 'job.canceled', 1])
    assert.equal(delivery.event_id, webhookIdOf(all.received[0]!))
    assert.equal(delivery.attempts[0]?.status_code, 204)
    assert.equal(started.received.length, 0)
  })

  test('during the grace of a rotation both secrets verify, and then only the new one', async (t) => {
    const { url, received } = await hookThat(t, 204)
    const old = await register(t, { url })
    const rotate = async (grace: number) =>
      (await post<NewWebhookEndpoint>(`${endpoints}/${old.id}/rotate-secret?grace_seconds=${grace}`, {})).body
    const second = await rotate(60)
    assert.notEqual(second.secret, old.secret)
    await canceledJob()
    await until(() => received.length === 1, 'the first delivery')
    for (const secret of [old.secret, second.secret]) verified(secret, received[0]!)
    const third = await rotate(0)
    await canceledJob()
    await until(() => received.length === 2, 'the second delivery')
    verified(third.secret, received[1]!)
    for (const secret of [old.secret, second.secret]) assert.throws(() => verified(secret, received[1]!))
  })

  test('a test is sent whatever the filter, also to a disabled endpoint, and the log says what came of it', async (t) => {
    const { url, received } = await hookThat(t, 500, 204)
    const endpoint = await register(t, { url, events: ['job.expired'] })
    const sendTest = () => post<WebhookDelivery>(`${endpoints}/${endpoint.id}/test`, {})
    const first = await sendTest()
    assert.equal(first.status, 202)
    assert.equal(first.headers.get('location'), `/v1/webhook-endpoints/${endpoint.id}/deliveries/${first.body.id}`)
    const failed = await deliveryOf(endpoint.id, 'failed')
    assert.deepEqual([failed.attempts.length, failed.attempts[0]?.status_code, failed.next_attempt_at], [1, 500, null])
    await patch(endpoint.id, { status: 'disabled' })
    await sendTest()
    await until(() => received.length === 2, 'the second test')
    const { type, data } = verified<{ type: string; data: object }>(endpoint.secret, received[1]!)
    assert.deepEqual([type, data], ['webhook.test', { endpoint_id: endpoint.id }])
    const page = await call<List<WebhookDelivery>>(`${endpoints}/${endpoint.id}/deliveries?limit=1`)
    const next = await call<List<WebhookDelivery>>(
      `${endpoints}/${endpoint.id}/deliveries?limit=1&after=${page.body.next_cursor}`,
    )
    assert.deepEqual([page.body.has_more, next.body.has_more, next.body.data[0]?.id], [true, false, first.body.id])
  })

  test('what did not arrive is in the log with each attempt, and is sent again under the same id', async (t) => {
    const { url, received } = await hookThat(t, 500, 503, 500, 204)
    const healthy = await hookThat(t, 204)
    const endpoint = await register(t, { url })
    const job = await canceledJob()
    const failed = await deliveryOf(endpoint.id, 'failed')
    assert.deepEqual(
      failed.attempts.map(({ status_code }) => status_code),
      [500, 503, 500],
    )
    const disabled = (await call<WebhookEndpoint>(`${endpoints}/${endpoint.id}`)).body
    assert.match(disabled.disabled_reason ?? '', /nothing has arrived/)
    assert.deepEqual((await resend<Problem>(failed)).body.code, 'endpoint_disabled')
    assert.equal((await patch(endpoint.id, { status: 'enabled' })).body.disabled_reason, null)
    assert.equal((await resend(failed)).status, 202)
    const sent = await deliveryOf(endpoint.id, 'succeeded')
    assert.deepEqual([sent.id, sent.attempt_count], [failed.id, 4])
    // also once it has arrived, and to where the endpoint is by now
    await patch(endpoint.id, { url: healthy.url })
    await resend(failed)
    await until(() => healthy.received.length === 1, 'the resent delivery')
    const all = [...received, ...healthy.received]
    assert.deepEqual([new Set(all.map(webhookIdOf)).size, new Set(all.map(({ body }) => body)).size], [1, 1])
    const { body } = await call<{ payload: { data: { id: string } } }>(
      `${endpoints}/${endpoint.id}/deliveries/${failed.id}`,
    )
    assert.equal(body.payload.data.id, job)
    assert.deepEqual(body.payload, JSON.parse(all[0]!.body))
  })

  test('410 disables; what happens then is not sent later; a waiting delivery ends with its endpoint', async (t) => {
    const { url, received } = await hookThat(t, 410)
    const endpoint = await register(t, { url })
    await canceledJob()
    const status = async () => (await call<WebhookEndpoint>(`${endpoints}/${endpoint.id}`)).body
    await until(async () => (await status()).status === 'disabled', 'it goes on')
    assert.match((await status()).disabled_reason ?? '', /410/)
    await canceledJob()
    const watched = await register(t, { url: (await hookThat(t, 204)).url })
    await canceledJob()
    await deliveryOf(watched.id, 'succeeded')
    assert.deepEqual([received.length, (await logOf(endpoint.id)).length], [1, 1])
  })

  test('a job may bring the secret of its own webhook, which is shown to nobody', async (t) => {
    const { url, received } = await hookThat(t, 204)
    const endpoint = await register(t, { url: (await hookThat(t, 204)).url })
    const secret = `whsec_${randomBytes(24).toString('base64')}`
    const id = await canceledJob({ url, secret })
    await until(() => received.length === 1, 'the delivery')
    assert.equal(verified(secret, received[0]!).data.id, id)
    await deliveryOf(endpoint.id, 'succeeded')
    const shown = await Promise.all(
      [`/v1/jobs/${id}`, '/v1/jobs', `/v1/jobs/${id}/events`].map((path) => call(`${service.url}${path}`)),
    )
    assert.ok(!JSON.stringify([shown, received, service.log()]).includes(secret.slice(6)))
    for (const weak of ['whsec_c2hvcnQ=', secret.slice(6), `${secret}!`, `whsec_${'A'.repeat(120)}`]) {
      const { status, body } = (await submit({ url, secret: weak })) as unknown as Answer<Problem>
      assert.deepEqual([status, body.errors?.[0]?.pointer], [422, '/webhook/secret'], weak)
    }
  })

  test('a repeated request with its Idempotency-Key makes one endpoint and shows the same secret', async (t) => {
    const key = { 'idempotency-key': randomBytes(8).toString('hex') }
    const twice = () => post<NewWebhookEndpoint>(endpoints, { url: 'https://example.org/once' }, key)
    const [first, second] = [await twice(), await twice()]
    t.after(() => call(`${endpoints}/${first.body.id}`, { method: 'DELETE' }))
    assert.deepEqual(second.body, first.body)
    assert.equal(second.headers.get('idempotent-replayed'), 'true')
  })
})
