/** Webhooks: signed, repeated until they arrive, not lost when the sender is killed, never sent to private addresses unasked. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { request } from 'undici'
import { checkWebhookUrl } from '../../src/webhooks/check-url.ts'
import { openGuardedAgent } from '../../src/webhooks/guarded-agent.ts'
import { openLanes } from '../../src/webhooks/lanes.ts'
import { delayBefore, parseRetryAfter, retryDelays } from '../../src/webhooks/retry-delays.ts'
import { sendWebhook } from '../../src/webhooks/send-webhook.ts'
import { call, finished, post, startJob } from '../kit/client.ts'
import { mlp } from '../kit/model.ts'
import { listen, type Received, receiver, verified } from '../kit/receiver.ts'
import { type Service, startService, until } from '../kit/service.ts'

const SECRET = `whsec_${Buffer.from('a secret of thirty-two characters').toString('base64')}`

describe('webhooks', () => {
  let service: Service
  before(async () => {
    service = await startService({
      WEBHOOK_ALLOW_PRIVATE: 'true',
      WEBHOOK_SECRET: SECRET,
      WEBHOOK_RETRY_SECONDS: '0.3,0.3,0.5,1,2,4',
    })
  })
  after(() => service.close())

  test('the end of a job arrives, signed, and can be verified with any Standard Webhooks library', async (t) => {
    const { server, received } = receiver(204)
    const url = await listen(t, server)
    const job = await startJob(service.url, { webhook: { url, events: ['job.started', 'job.succeeded'] } })
    await finished(service.url, job.id)
    await until(() => received.length === 2, 'two deliveries')
    for (const delivery of received) verified(SECRET, delivery)
    const bodies = received.map(
      ({ body }) => JSON.parse(body) as { type: string; data: { id: string; status: string } },
    )
    assert.deepEqual(bodies.map(({ type }) => type).toSorted(), ['job.started', 'job.succeeded'])
    const last = bodies.find(({ type }) => type === 'job.succeeded')!
    assert.deepEqual([last.data.id, last.data.status], [job.id, 'succeeded'])
  })

  test('a receiver that fails gets the same delivery again until it answers', async (t) => {
    const { server, received } = receiver(500, 302, 200)
    const url = await listen(t, server)
    const job = await startJob(service.url, { webhook: { url, events: ['job.succeeded'] } })
    await finished(service.url, job.id)
    await until(() => received.length === 3, 'three attempts')
    assert.equal(new Set(received.map(({ headers }) => headers['webhook-id'])).size, 1)
    assert.equal(new Set(received.map(({ body }) => body)).size, 1)
  })

  test('a sender that is killed between two attempts goes on after its next start, under the same id', async (t) => {
    const { server, received } = receiver(500, 200)
    const url = await listen(t, server)
    const job = await startJob(service.url, { webhook: { url, events: ['job.succeeded'] } })
    await until(() => received.length === 1, 'the first attempt')
    await service.kill('notify')
    assert.equal((await finished(service.url, job.id)).status, 'succeeded')
    await service.start('notify')
    await until(() => received.length >= 2, 'the second attempt', 45_000)
    assert.equal(new Set(received.map(({ headers }) => headers['webhook-id'])).size, 1)
  })

  test('a receiver that is gone (410) is not asked again', async (t) => {
    const { server, received } = receiver(410)
    const url = await listen(t, server)
    const job = await startJob(service.url, { webhook: { url } })
    await finished(service.url, job.id)
    await until(() => received.length === 1, 'the delivery')
    await delay(1500)
    assert.deepEqual(
      received.map(({ body }) => (JSON.parse(body) as { type: string }).type),
      ['job.succeeded'],
    )
  })

  test('a terminal event that could not be sent because the sender was killed is sent later', async (t) => {
    const { server, received } = receiver(200)
    const url = await listen(t, server)
    await service.kill('notify')
    const job = await startJob(service.url, { webhook: { url, events: ['job.succeeded'] } })
    await finished(service.url, job.id)
    assert.equal(received.length, 0)
    await service.start('notify')
    await until(() => received.length === 1, 'the delivery')
  })
})

describe('receivers that hang', () => {
  let service: Service
  before(async () => {
    service = await startService({ WEBHOOK_ALLOW_PRIVATE: 'true', WEBHOOK_RETRY_SECONDS: '1,1,1' }, ['api', 'notify'])
  })
  after(() => service.close())

  /** accepts everything and answers nothing */
  function hanging() {
    const open = new Set<IncomingMessage>()
    let most = 0
    const server = createServer((request) => {
      most = Math.max(most, open.add(request).size)
      request.socket.once('close', () => open.delete(request))
    })
    return { server, open, most: () => most }
  }

  test('hold up no other receiver, and are asked by few at a time', async (t) => {
    const [slow, { server, received }] = [hanging(), receiver(204)]
    const [hangs, url] = [await listen(t, slow.server), await listen(t, server)]
    // one receiver is one host: the other is the same machine by another name
    const good = url.replace('127.0.0.1', 'localhost')
    const end = async (hook: string) => {
      const { id } = await startJob(service.url, { webhook: { url: hook } })
      await post(`${service.url}/v1/jobs/${id}/cancel`, {})
    }
    for (let i = 0; i < 40; i++) await end(hangs)
    await until(() => slow.open.size > 0, 'nothing hangs')
    for (let i = 0; i < 10; i++) await end(good)
    await until(() => received.length === 10, 'ten deliveries', 12_000)
    assert.ok(slow.open.size > 0, 'nothing hangs any more')
    assert.ok(slow.most() <= 4, `${slow.most()} at once`)
    assert.equal(new Set(received.map(({ headers }) => headers['webhook-id'])).size, 10)
  })

  test('each owner’s webhooks are signed with a secret of its own, which an admin key can read', async (t) => {
    const { server, received } = receiver(204)
    const url = (await listen(t, server)).replace('127.0.0.1', 'localhost')
    const own = async (owner: string) => {
      const made = await post<{ key: string }>(`${service.url}/v1/api-keys`, {
        name: 'k',
        scopes: ['read', 'write', 'admin'],
        owner,
      })
      return { authorization: `Bearer ${made.body.key}` }
    }
    const secretOf = async (headers: Record<string, string>) =>
      (await call<{ secret: string }>(`${service.url}/v1/webhook-secret`, { headers })).body.secret
    const [acme, other] = [await own('acme'), await own('other')]
    const model = await call<{ id: string }>(`${service.url}/v1/models`, {
      method: 'POST',
      headers: { ...acme, 'content-type': 'application/octet-stream' },
      body: mlp() as Uint8Array<ArrayBuffer>,
    })
    const request = { model_id: model.body.id, target: 'cpu-int8', method: { type: 'dynamic' }, webhook: { url } }
    const job = await post<{ id: string }>(`${service.url}/v1/jobs`, request, acme)
    await post(`${service.url}/v1/jobs/${job.body.id}/cancel`, {}, acme)
    await until(() => received.length === 1, 'the delivery')
    const [delivery] = received as [Received]
    verified(await secretOf(acme), delivery)
    for (const stranger of [await secretOf(other), await secretOf({})])
      assert.throws(() => verified(stranger, delivery))
    assert.equal(await secretOf(acme), await secretOf(acme))
  })
})

test('lanes: few places for each, the wait grows with those who wait, and nothing is kept when all is over', () => {
  const lanes = openLanes({ perReceiver: 2, perOwner: 3, longestMs: 10_000 })
  const enter = (id: number, host: string, owner = 'a') =>
    lanes.enter({ id: `evt_${id}`, owner, url: `https://${host}/x` })
  const places = [enter(1, 'h'), enter(2, 'h')]
  assert.ok(places.every((place) => typeof place === 'function'))
  assert.deepEqual([enter(3, 'h', 'b'), enter(4, 'h', 'b'), enter(3, 'h', 'b')], [5000, 10_000, 10_000])
  assert.equal(typeof enter(5, 'g'), 'function')
  assert.equal(typeof enter(6, 'f'), 'number', 'the owner has three')
  assert.equal(typeof enter(7, 'f', 'b'), 'function')
  for (const leave of places) if (typeof leave === 'function') leave()
  assert.equal(typeof enter(3, 'h', 'b'), 'function')
})

test('what a name resolves to is checked when it is dialled', async (t) => {
  const { server, received } = receiver(204)
  const url = (await listen(t, server)).replace('127.0.0.1', 'localhost')
  const [guarded, open] = [false, true].map((allow) => openGuardedAgent({ WEBHOOK_ALLOW_PRIVATE: allow }))
  t.after(() => Promise.all([guarded!.close(), open!.close()]))
  await assert.rejects(request(url, { dispatcher: guarded! }), /localhost resolves to a private address/)
  assert.equal(received.length, 0)
  assert.equal((await request(url, { dispatcher: open! })).statusCode, 204)
})

test('a private address that came past the first check is not dialled either', async (t) => {
  const { server, received } = receiver(204)
  const url = await listen(t, server)
  const config = { WEBHOOK_ALLOW_PRIVATE: false }
  const dispatcher = openGuardedAgent(config)
  t.after(() => dispatcher.close())
  const letter = { eventId: 'evt_1-1', url, body: '{}', secrets: [SECRET] }
  const attempt = await sendWebhook({ config, dispatcher }, letter)
  assert.equal(attempt.ok, false)
  assert.equal(received.length, 0)
})

test('pauses follow the table, a receiver may ask for longer ones, but not for ever', () => {
  const delays = retryDelays({ WEBHOOK_RETRY_SECONDS: '5,300' })
  assert.deepEqual(
    [1, 2, 3].map((failures) => delayBefore(delays, failures, 0, 0)),
    [5000, 300_000, 300_000],
  )
  assert.equal(delayBefore(delays, 1, 0, 1), 5500)
  assert.equal(delayBefore(delays, 1, parseRetryAfter('60'), 0), 60_000)
  assert.equal(delayBefore(delays, 1, parseRetryAfter('999999999'), 0), 86_400_000)
  const date = parseRetryAfter(new Date(Date.now() + 90_000).toUTCString())
  assert.ok(date > 80_000 && date <= 90_000, String(date))
  assert.deepEqual([parseRetryAfter(undefined), parseRetryAfter('soon'), parseRetryAfter('-5')], [0, 0, 0])
})

test('only public https addresses are acceptable unless the operator allows more', () => {
  const accepts = (url: string, allow = false) => {
    try {
      checkWebhookUrl({ WEBHOOK_ALLOW_PRIVATE: allow }, url)
      return true
    } catch {
      return false
    }
  }
  assert.ok(accepts('https://hooks.example.org/fewbit'))
  for (const url of [
    'http://example.org/x',
    'https://127.0.0.1/x',
    'https://[::1]/x',
    'https://[::ffff:10.0.0.1]/x',
    'https://10.1.2.3/x',
    'https://169.254.169.254/latest/meta-data',
    'https://192.168.1.1/x',
    'https://0x7f000001/x',
    'https://2130706433/x',
    'https://localhost/x',
    'https://redis.internal/x',
    'https://example.org:6379/x',
    'https://user:secret@example.org/x',
    'gopher://example.org/x',
  ]) {
    assert.ok(!accepts(url), url)
  }
  assert.ok(accepts('http://127.0.0.1:9000/x', true))
})
