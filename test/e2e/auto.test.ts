/** Jobs of the method auto against real processes: goals, the ladder in the record, the best so far, and every way in which it can be interrupted. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { call, create, type Job, post } from '../kit/client.ts'
import { CLASSES, convNet, IMAGE } from '../kit/model.ts'
import { type Service, startService, until } from '../kit/service.ts'
import { brightSpots } from '../kit/training.ts'

type Page<T> = { data: T[] }

describe('jobs that choose their method', () => {
  let service: Service
  let base: object
  before(async () => {
    service = await startService({}, ['api', 'worker'])
    const model_id = await create(service.url, 'models', convNet())
    const dataset_id = await create(service.url, 'datasets', brightSpots(120, IMAGE, CLASSES))
    base = { model_id, target: 'cpu-int8', calibration: { dataset_id } }
  })
  after(() => service.close())

  const look = async (id: string, headers = {}) => (await call<Job>(`${service.url}/v1/jobs/${id}`, { headers })).body
  const submit = async (more: object = {}) => (await post<Job>(`${service.url}/v1/jobs`, { ...base, ...more })).body
  const finished = async (id: string) => {
    for (;;) {
      const job = await look(id, { prefer: 'wait=50' })
      if (!['queued', 'running', 'canceling'].includes(job.status)) return job
    }
  }
  const climbing = (id: string) =>
    until(async () => (await look(id)).attempts_made.length > 0, 'the first rung ends', 60_000)
  /** No rung reaches it, and the last one trains until it is stopped. */
  const endless = () => {
    const { calibration } = base as { calibration: { dataset_id: string } }
    const { dataset_id } = calibration
    return submit({
      goals: { max_accuracy_drop: 0 },
      evaluation: { dataset_id, metric: 'cosine' },
      training: { dataset_id, steps: 1_000_000 },
    })
  }

  test('auto is the method of a job that names none; the first rung that meets the goals is taken', async () => {
    const { id, options } = await submit({ goals: { max_accuracy_drop: 0.5 } })
    assert.deepEqual(options.method, { type: 'auto', train: true })
    const job = await finished(id)
    assert.equal(job.status, 'succeeded', JSON.stringify(job.error))
    assert.deepEqual(
      job.attempts_made.map(({ name, meets_goals }) => [name, meets_goals]),
      [['static', true]],
    )
    assert.equal(job.options.method.type, 'static', 'the options say what was taken')
    assert.notEqual((job.options.method as { observer: string }).observer, 'auto')
    assert.deepEqual(job.best_so_far, [])
    assert.ok(job.artifacts.some(({ name }) => name === 'model.onnx'))
    const events = (await call<Page<{ type: string }>>(`${service.url}/v1/jobs/${id}/events?limit=100`)).body.data
    assert.equal(events.filter(({ type }) => type === 'job.rung').length, 1)
  })

  test('the best so far can be downloaded while it climbs, and stays when it is canceled', async () => {
    const { id } = await endless()
    await climbing(id)
    const { best_so_far } = await look(id)
    const model = best_so_far.find(({ name }) => name === 'model.onnx')
    const bytes = await fetch(`${service.url}/v1/artifacts/${model!.id}/content`)
    assert.equal((await bytes.arrayBuffer()).byteLength, model!.size_bytes)
    await post(`${service.url}/v1/jobs/${id}/cancel`, {})
    const job = await finished(id)
    assert.equal(job.status, 'canceled')
    const kept = [...job.best_so_far, ...job.artifacts].find(({ name }) => name === 'model.onnx')
    assert.equal((await fetch(`${service.url}/v1/artifacts/${kept!.id}/content`)).status, 200)
    assert.equal((await call(`${service.url}/v1/jobs/${id}`, { method: 'DELETE' })).status, 204)
    assert.equal((await fetch(`${service.url}/v1/artifacts/${kept!.id}`)).status, 404)
  })

  test('a worker that is killed costs the rung under way: another one climbs on', async () => {
    const { id } = await endless()
    await climbing(id)
    await service.kill('worker')
    const { attempts_made: before } = await look(id)
    await service.start('worker')
    await until(async () => (await look(id)).attempts_made.length > before.length, 'the next rung ends', 90_000)
    const { attempts_made, attempt } = await look(id)
    assert.equal(attempt, 2)
    assert.deepEqual(
      attempts_made.slice(0, before.length).map(({ cost }) => cost?.seconds),
      before.map(({ cost }) => cost?.seconds),
      'what was climbed is not climbed again',
    )
    await post(`${service.url}/v1/jobs/${id}/cancel`, {})
    await finished(id)
  })
})
