/** What Prometheus reads of every process after a real job, and that the dashboard asks for nothing else. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { call, create, finished, post, startJob } from '../kit/client.ts'
import { isTriedAgain, reaches, runnersOf, startEndlessJob } from '../kit/lasting-jobs.ts'
import { listen, receiver } from '../kit/receiver.ts'
import { type Service, startService, until } from '../kit/service.ts'

const NAMES = ['api', 'worker', 'notify'] as const
const ID = /(?:mdl|ds|job|art|cmp|whe|evt|dlv|req)_[0-9a-z]{26}/

describe('metrics', () => {
  let service: Service
  before(async () => {
    service = await startService({ METRICS_PORT: '0', WEBHOOK_ALLOW_PRIVATE: 'true' })
  })
  after(() => service.close())

  const portOf = (name: string): number => {
    const lines = service.log().split('\n')
    const line = lines.find((text) => text.includes(`"process":"${name}"`) && text.includes('metrics are served'))
    return (JSON.parse(line ?? '{}') as { port: number }).port
  }
  const scrape = async (name: (typeof NAMES)[number]): Promise<string> =>
    (await call<string>(`http://127.0.0.1:${portOf(name)}/metrics`)).body

  /** The value of one series. */
  const seriesOf = (text: string, name: string, labels: Record<string, string>): number => {
    const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`)
    const line = text
      .split('\n')
      .find((each) => each.startsWith(`${name}{`) && wanted.every((one) => each.includes(one)))
    return Number(line?.split(' ').at(-1))
  }

  test('of a job: states, waits, phases, bytes, webhooks, each by words of ours', async (t) => {
    const { server, received } = receiver(204)
    const url = await listen(t, server)
    const { id } = await startJob(service.url, { webhook: { url, events: ['job.succeeded'] } })
    assert.equal((await finished(service.url, id)).status, 'succeeded')
    await until(() => received.length === 1, 'no webhook')
    await call(`${service.url}/v1/jobs/${id}`)
    await call(`${service.url}/nobody/knows/${id}`)
    const worker = await scrape('worker')
    const method = 'static'
    assert.equal(seriesOf(worker, 'fewbit_job_transitions_total', { status: 'succeeded', method }), 1)
    assert.equal(seriesOf(worker, 'fewbit_job_queue_seconds_count', { method }), 1)
    assert.ok(seriesOf(worker, 'fewbit_job_duration_seconds_sum', { method, status: 'succeeded' }) > 0.05)
    for (const phase of ['starting', 'preparing', 'calibrating', 'verifying', 'packaging', 'publishing'])
      assert.ok(seriesOf(worker, 'fewbit_job_phase_seconds_sum', { method, phase }) > 0, phase)
    const api = (await call<string>(`${service.url}/metrics`)).body
    assert.equal(seriesOf(api, 'fewbit_jobs', { status: 'succeeded', method }), 1)
    assert.equal(seriesOf(api, 'fewbit_job_transitions_total', { status: 'queued', method }), 1)
    assert.equal(seriesOf(api, 'fewbit_workers_alive', { kind: 'worker' }), 1)
    assert.equal(seriesOf(api, 'fewbit_workers_alive', { kind: 'notify' }), 1)
    const requests = 'fewbit_http_request_duration_seconds_count'
    assert.equal(seriesOf(api, requests, { method: 'POST', route: '/v1/jobs', status: '2xx' }), 1)
    assert.ok(seriesOf(api, requests, { method: 'GET', route: '/v1/jobs/:id' }) >= 1)
    assert.equal(seriesOf(api, requests, { route: 'none', status: '4xx' }), 1)
    assert.ok(seriesOf(api, 'fewbit_http_bytes_total', { route: '/v1/datasets', direction: 'in' }) > 10_000)
    assert.ok(seriesOf(api, 'fewbit_http_bytes_total', { route: '/v1/jobs/:id', direction: 'out' }) > 1000)
    await until(
      async () => seriesOf(await scrape('notify'), 'fewbit_webhook_deliveries_total', { outcome: 'delivered' }) === 1,
      'no delivery is counted',
    )
  })

  test('of a runner that was killed: why', async () => {
    const id = await startEndlessJob(service)
    await reaches(service, id, 'verifying')
    process.kill((await runnersOf(service)).at(-1) ?? 0, 'SIGKILL')
    await isTriedAgain(service, id)
    await post(`${service.url}/v1/jobs/${id}/cancel`, {})
    assert.equal((await finished(service.url, id)).status, 'canceled')
    const worker = await scrape('worker')
    assert.equal(seriesOf(worker, 'fewbit_runner_kills_total', { reason: 'runner_killed' }), 1)
    assert.equal(seriesOf(worker, 'fewbit_runner_kills_total', { reason: 'canceled' }), 1)
  })

  test('a deleted job counts no more', async () => {
    const { body } = await call<{ data: { id: string }[] }>(`${service.url}/v1/jobs?status=canceled`)
    const before = seriesOf(await scrape('api'), 'fewbit_jobs', { status: 'canceled', method: 'dynamic' })
    await call(`${service.url}/v1/jobs/${body.data[0]?.id}`, { method: 'DELETE' })
    assert.equal(seriesOf(await scrape('api'), 'fewbit_jobs', { status: 'canceled', method: 'dynamic' }), before - 1)
  })

  test('no label holds an id, or what a client said', async () => {
    await call(`${service.url}/v1/models?name=what-a-client-said`)
    await create(service.url, 'datasets', Buffer.from('no data')).catch(() => {})
    for (const name of NAMES) {
      const text = await scrape(name)
      assert.doesNotMatch(text, ID, name)
      assert.doesNotMatch(text, /what-a-client-said|nobody/, name)
      assert.match(text, /^nodejs_eventloop_lag_p99_seconds \S+$/m, name)
    }
  })

  test('the dashboard asks only for what there is', async () => {
    const text = (await Promise.all(NAMES.map(scrape))).join('\n')
    const there = new Set([...text.matchAll(/^([a-z]\w*)(?:\{| )/gm)].map(([, name]) => name))
    const dashboard = JSON.parse(readFileSync('docker/grafana/fewbit.json', 'utf8')) as {
      panels: { title: string; targets: { expr: string }[] }[]
    }
    const asked = dashboard.panels.flatMap(({ title, targets }) =>
      targets.flatMap(({ expr }) =>
        [...expr.matchAll(/\b(?:fewbit|nodejs|process)_\w+/g)].map(([name]) => ({ title, name })),
      ),
    )
    assert.ok(asked.length >= dashboard.panels.length)
    assert.deepEqual(
      asked.filter(({ name }) => !there.has(name)),
      [],
    )
  })
})
