/** One trace from the request to the stages of the runner, through the queue, when a collector is configured; nothing of it otherwise. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { call, create, finished, post } from '../kit/client.ts'
import { type CollectedSpan, type Collector, openCollector } from '../kit/collector.ts'
import { mlp } from '../kit/model.ts'
import { type Service, startService, until } from '../kit/service.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const CLIENT_SPAN = 'b7ad6b7169203331'
const STAGES = ['preparing', 'quantizing', 'verifying', 'packaging']

describe('tracing', () => {
  let collector: Collector
  let service: Service
  before(async () => {
    collector = await openCollector()
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: '100' }
    service = await startService(env, ['api', 'worker'])
  })
  after(async () => {
    await service.close()
    collector.close()
  })

  test('a job is one trace: the client’s span, request, enqueue, attempt, runner and its stages', async () => {
    const model_id = await create(service.url, 'models', mlp())
    const request = { model_id, target: 'cpu-int8', method: { type: 'dynamic' } }
    const traceparent = `00-${TRACE}-${CLIENT_SPAN}-01`
    const { body, headers } = await post<{ id: string }>(`${service.url}/v1/jobs`, request, { traceparent })
    assert.equal((await finished(service.url, body.id)).status, 'succeeded')
    const ours = () => collector.spans.filter(({ traceId }) => traceId === TRACE)
    await until(() => ours().some(({ name }) => name === 'attempt'), 'no span of an attempt')
    const one = (name: string): CollectedSpan => {
      const found = ours().filter((span) => span.name === name)
      assert.equal(found.length, 1, `${name}: ${ours().map((span) => span.name)}`)
      return found[0] as CollectedSpan
    }
    const [asked, queued, attempt, runner] = [one('POST /v1/jobs'), one('enqueue'), one('attempt'), one('runner')]
    assert.deepEqual(
      [asked, queued, attempt, runner].map(({ parentSpanId }) => parentSpanId),
      [CLIENT_SPAN, asked.spanId, queued.spanId, attempt.spanId],
    )
    assert.deepEqual(
      [asked, queued, attempt, runner].map((span) => span.service),
      ['fewbit-api', 'fewbit-api', 'fewbit-worker', 'fewbit-worker'],
    )
    const partsOf = (whole: CollectedSpan) =>
      ours().flatMap(({ parentSpanId, name }) => (parentSpanId === whole.spanId ? [name] : []))
    for (const stage of STAGES) assert.ok(partsOf(runner).includes(stage), `${stage}: ${partsOf(runner)}`)
    assert.deepEqual(partsOf(attempt).toSorted(), ['publishing', 'runner', 'starting'])
    const attributes = JSON.stringify([...asked.attributes, ...attempt.attributes])
    assert.ok(attributes.includes(headers.get('x-request-id') ?? '?'))
    assert.ok(attributes.includes(body.id))
  })

  test('probes are no traces', async () => {
    await call(`${service.url}/livez`)
    await call(`${service.url}/v1/targets`)
    await until(() => collector.spans.some(({ name }) => name === 'GET /v1/targets'), 'no span of a request')
    assert.ok(!collector.spans.some(({ name }) => name.includes('livez')))
  })

  test('without a collector none of it is loaded', () => {
    const script = `
      const { openTracing } = await import('./dist/src/telemetry/tracing.js')
      const { createRequire } = await import('node:module')
      const loaded = () => Object.keys(createRequire(import.meta.url).cache).filter((path) => path.includes('@opentelemetry')).length
      const endpoint = process.argv[1]
      await openTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }, 'test')
      await import('./dist/src/http/app.js')
      console.log(loaded())
      process.exit()`
    const loadedWith = (...endpoint: string[]) =>
      Number(execFileSync(process.execPath, ['--input-type=module', '-e', script, ...endpoint], { encoding: 'utf8' }))
    assert.equal(loadedWith(), 0)
    assert.ok(loadedWith(collector.url) > 10)
  })
})
