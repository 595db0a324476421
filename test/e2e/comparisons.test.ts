/** A comparison over HTTP, against real processes: rows as jobs of several workers, the table, the verdict, and every way it can end. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { ComparisonEvent, ComparisonRow, ComparisonView } from '../../src/comparisons/comparison.ts'
import { Comparison } from '../../src/contract/comparison.ts'
import { connectFailFast, settled } from '../../src/queue/connection.ts'
import { call, create, type Job, post } from '../kit/client.ts'
import { randomData } from '../kit/data.ts'
import { CLASSES, convNet, IMAGE } from '../kit/model.ts'
import { listen, receiver, verified } from '../kit/receiver.ts'
import { type Service, startService, until } from '../kit/service.ts'

interface Problem {
  code: string
  detail: string
  errors?: { pointer: string }[]
}
type Page<T> = { data: T[]; has_more: boolean }

const WAIT = { prefer: 'wait=50' }
const CHEAP = [{ type: 'dynamic' }, { type: 'static', observer: 'minmax' }]
const LONG = { type: 'qat' }

describe('comparisons', () => {
  let service: Service
  let model_id: string
  let dataset_id: string
  before(async () => {
    service = await startService({ WEBHOOK_ALLOW_PRIVATE: 'true', WORKER_CONCURRENCY: '2' })
    model_id = await create(service.url, 'models', convNet())
    dataset_id = await create(service.url, 'datasets', randomData(80, IMAGE, { classes: CLASSES }))
  })
  after(() => service.close())

  const at = (path: string) => `${service.url}/v1/comparisons${path}`
  const request = (more: object = {}) => ({
    model_id,
    targets: ['cpu-int8'],
    methods: CHEAP,
    calibration: { dataset_id },
    ...more,
  })
  const compare = <T = ComparisonView>(body: object, headers: Record<string, string> = {}) =>
    post<T>(at(''), body, headers)
  const look = async (id: string) => (await call<ComparisonView>(at(`/${id}`))).body
  const finished = async (id: string) => (await call<ComparisonView>(at(`/${id}`), { headers: WAIT })).body
  const statuses = ({ rows }: Pick<ComparisonView, 'rows'>) => rows.map(({ status }) => status)

  test('judges all rows on the same samples, recommends one, and tells it in events, webhook, list and report', async (t) => {
    const { server, received } = receiver(204)
    const webhook = { url: await listen(t, server), secret: `whsec_${Buffer.alloc(32, 7).toString('base64')}` }
    const methods = [...CHEAP, { ...LONG, learn_scales: true }, { type: 'static', activation_bits: 16 }]
    const sent = request({ methods, training: { dataset_id, steps: 4 }, goals: { max_accuracy_drop: 0.05 }, webhook })
    const made = await compare(sent, { 'idempotency-key': 'once' })
    assert.deepEqual([made.status, made.headers.get('location')], [202, `/v1/comparisons/${made.body.id}`])
    const again = await compare(sent, { 'idempotency-key': 'once' })
    assert.deepEqual([again.body.id, again.headers.get('idempotent-replayed')], [made.body.id, 'true'])
    assert.ok(!JSON.stringify(made.body).includes(webhook.secret), 'the secret is not shown again')

    const done = await finished(made.body.id)
    assert.deepEqual(statuses(done), ['succeeded', 'succeeded', 'succeeded', 'succeeded', 'failed'])
    assert.deepEqual([done.status, done.quality, done.progress.fraction], ['succeeded', 'accuracy', 1])
    assert.equal(done.rows[4]?.error?.code, 'target_method_mismatch')
    assert.deepEqual([done.rows[0]?.job_id, done.rows[4]?.job_id], [null, null])
    for (const row of done.rows.slice(1, 4)) await checkRow(row)
    assert.ok(done.rows[3]?.tests.post_training, 'a trained row is tested against the best one without training')
    assert.ok(done.recommendation?.text)
    for (const { pointer } of done.recommendation!.evidence)
      assert.notEqual(valueAt(done, pointer), undefined, `${pointer} stands in the answer`)

    const { data } = (await call<Page<ComparisonEvent>>(at(`/${done.id}/events`))).body
    const kinds = data.map(({ type }) => type.replace('comparison.', ''))
    assert.deepEqual(kinds.toSorted(), ['queued', 'row', 'row', 'row', 'row', 'started', 'succeeded'])
    assert.deepEqual([kinds[0], kinds.at(-1)], ['queued', 'succeeded'])
    const stream = await fetch(at(`/${done.id}/events`), { headers: { accept: 'text/event-stream' } })
    assert.deepEqual(
      (await stream.text()).match(/(?<=^id: ).*/gm),
      data.map(({ id }) => id),
    )

    await until(() => received.length === 1, 'the webhook comes')
    const letter = verified<{ type: string; data: ComparisonView }>(webhook.secret, received[0]!)
    assert.deepEqual([letter.type, letter.data.id], ['comparison.succeeded', done.id])

    const list = (await call<Page<ComparisonView>>(at(''))).body
    assert.deepEqual(list.data[0]?.recommendation, done.recommendation)
    assert.equal(list.data[0]?.rows, undefined)
    const report = Comparison.parse((await call(at(`/${done.id}/report`))).body)
    assert.equal(report.rows.length, 5)
    const { headers } = await call(at(`/${done.id}`))
    const known = await call(at(`/${done.id}`), { headers: { 'if-none-match': headers.get('etag')! } })
    assert.equal(known.status, 304)
  })

  async function checkRow({ job_id, accuracy, cost, artifacts, name }: ComparisonRow): Promise<void> {
    const job = (await call<Job>(`${service.url}/v1/jobs/${job_id}`)).body
    assert.equal(accuracy?.samples, 40, `${name} is judged by half of the data`)
    assert.equal(accuracy.drop, job.metrics?.accuracy?.drop)
    assert.ok(cost && cost.seconds > 0, `${name} has a cost`)
    assert.ok(artifacts.some((one) => one.name === 'model.onnx'))
  }

  test('what is wrong with every row is refused at once; a dry run makes nothing', async () => {
    const nothing = await compare<Problem>(request({ model_id: 'mdl_none' }))
    assert.deepEqual([nothing.status, nothing.body.errors?.[0]?.pointer], [422, '/model_id'])
    const strange = await compare<Problem>(request({ targets: ['gpu-float16'] }))
    assert.deepEqual([strange.status, strange.body.code], [422, 'target_method_mismatch'])
    const many = await compare<Problem>(request({ methods: Array(17).fill({ type: 'dynamic' }) }))
    assert.equal(many.status, 422)
    const before = (await call<Page<unknown>>(at(''))).body.data.length
    const dry = await post<{ rows: { name: string; violations: unknown[] }[] }>(
      at('?dry_run=true'),
      request({ methods: undefined }),
    )
    const names = dry.body.rows.map(({ name }) => name)
    assert.deepEqual(names, [
      'dynamic',
      'static_per_tensor',
      'static_per_channel',
      'static_accuracy_steps',
      'static_refined',
      'qat',
    ])
    assert.equal((await call<Page<unknown>>(at(''))).body.data.length, before)
  })

  test('is canceled with what its rows have, repeats rows, and is deleted with its jobs', async () => {
    const training = { dataset_id, steps: 1_000_000 }
    const { body } = await compare(request({ methods: [{ type: 'dynamic' }, LONG], training }))
    assert.equal((await call<Problem>(at(`/${body.id}`), { method: 'DELETE' })).body.code, 'job_not_finished')
    await until(async () => statuses(await look(body.id)).includes('succeeded'), 'the cheap row ends')
    const canceling = await post<ComparisonView>(at(`/${body.id}/cancel`), {})
    assert.ok([200, 202].includes(canceling.status))
    const canceled = await finished(body.id)
    assert.deepEqual([canceled.status, statuses(canceled).slice(1)], ['canceled', ['succeeded', 'canceled']])
    assert.equal((await post<Problem>(at(`/${body.id}/retry`), { rows: [3] })).status, 422)

    const retrying = await post<ComparisonView>(at(`/${body.id}/retry`), {})
    assert.deepEqual([retrying.status, retrying.body.status], [202, 'running'])
    const [, kept, fresh] = retrying.body.rows
    assert.deepEqual([kept?.job_id, kept?.status], [canceled.rows[1]?.job_id, 'succeeded'])
    assert.notEqual(fresh?.job_id, canceled.rows[2]?.job_id)
    await post(at(`/${body.id}/cancel`), {})
    const { rows } = await finished(body.id)
    assert.equal((await call(at(`/${body.id}`), { method: 'DELETE' })).status, 204)
    assert.equal((await call(at(`/${body.id}`))).status, 404)
    for (const { job_id } of rows.slice(1)) assert.equal((await call(`${service.url}/v1/jobs/${job_id}`)).status, 404)
  })

  test('a worker that dies under a row, and a flow that is lost, cost nothing', async (t) => {
    const { body } = await compare(request({ methods: [...CHEAP, { type: 'static', adaround: true }] }))
    await until(async () => statuses(await look(body.id)).includes('running'), 'a row runs')
    await service.kill('worker')
    // the entries of the queue are gone, as after a restart of a Redis that keeps nothing of BullMQ's
    const redis = connectFailFast(service.redis.url)
    t.after(() => redis.disconnect())
    await settled(redis)
    await redis.del(await redis.keys('*:queue:*'))
    await service.start('worker')
    const done = await finished(body.id)
    assert.deepEqual([done.status, statuses(done)], ['succeeded', Array(4).fill('succeeded')])
  })
})

const valueAt = (document: unknown, pointer: string): unknown =>
  pointer
    .split('/')
    .slice(1)
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], document)
