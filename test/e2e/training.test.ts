/** Quantization-aware training as a job: what it reports, what survives a kill, what a cancellation keeps. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { call, create, finished, getJob, type Job, post } from '../kit/client.ts'
import { randomData } from '../kit/data.ts'
import { CLASSES, convNet, IMAGE } from '../kit/model.ts'
import { type Service, startService, until } from '../kit/service.ts'

const SAMPLES = 96
/** a state of the training is saved after its first second; whatever the machine, one must come before the end */
const LONG_SECONDS = 10
/** for what takes ten seconds on a machine that others do not load */
const PATIENT_MS = 100_000

describe('training', () => {
  let service: Service
  let model_id: string
  let dataset_id: string
  before(async () => {
    service = await startService({}, ['api', 'worker'])
    model_id = await create(service.url, 'models', convNet())
    dataset_id = await create(service.url, 'datasets', randomData(SAMPLES, IMAGE, { classes: CLASSES }))
  })
  after(() => service.close())

  const start = async (training: object, method: object = {}): Promise<Job> => {
    const request = {
      model_id,
      target: 'cpu-int8',
      method: { type: 'qat', ...method },
      training: { dataset_id, ...training },
    }
    const { status, body } = await post<Job>(`${service.url}/v1/jobs`, request)
    assert.equal(status, 202, JSON.stringify(body))
    return body
  }
  const refusalOf = async (request: object) => {
    const { body } = await post<{ errors?: { pointer: string; code: string }[] }>(`${service.url}/v1/jobs`, {
      model_id,
      target: 'cpu-int8',
      ...request,
    })
    return body.errors?.map(({ pointer, code }) => `${pointer} ${code}`)
  }
  const modelOf = ({ artifacts }: Job) => artifacts.find(({ name }) => name === 'model.onnx')?.sha256
  const checkpointsOf = async ({ id }: Job) =>
    (await call<{ data: { step: number; sha256: string }[] }>(`${service.url}/v1/jobs/${id}/checkpoints`)).body.data

  /** Nothing is left of the training but its artifacts, soon after its end. */
  const isClean = (job: Job) => until(async () => (await checkpointsOf(job)).length === 0, 'a checkpoint is left')

  /** Steps of sixteen samples that take about so long on this machine. */
  const stepsOfSeconds = async (seconds: number): Promise<number> => {
    const { id } = await finished(service.url, (await start({ steps: 30, batch_size: 16 })).id, PATIENT_MS)
    const { body } = await call<{ training: { samples_per_second: number } }>(`${service.url}/v1/jobs/${id}/report`)
    return Math.ceil((seconds * body.training.samples_per_second) / 16)
  }

  test('needs nothing but training data, says how it goes, and ends with a proof', async () => {
    const job = await start({ steps: 60 }, { loss: 'distillation' })
    const done = await finished(service.url, job.id)
    assert.equal(done.status, 'succeeded', JSON.stringify(done.error))
    assert.equal(done.options.training?.samples, SAMPLES)
    assert.equal(done.limits.max_runtime_seconds, 6 * 3600)
    assert.ok(done.metrics!.fidelity!.sqnr_db > 15)
    const { body } = await call<{ training: { curve: unknown[]; total_steps: number } }>(
      `${service.url}/v1/jobs/${job.id}/report`,
    )
    assert.equal(body.training.total_steps, 60)
    assert.ok(body.training.curve.length > 0)
    await isClean(job)
  })

  test('what cannot be trained is refused with pointers, before there is a job', async () => {
    const qat = { type: 'qat' }
    assert.deepEqual(await refusalOf({ method: qat }), ['/training/dataset_id dataset_required'])
    assert.deepEqual(await refusalOf({ method: { type: 'static' }, training: { dataset_id } }), [
      '/training invalid_request',
    ])
    assert.deepEqual(await refusalOf({ method: qat, training: { dataset_id, steps: 5, epochs: 2 } }), [
      '/training/steps invalid_request',
    ])
    assert.deepEqual(await refusalOf({ method: qat, training: { dataset_id: 'ds_none' } }), [
      '/training/dataset_id not_found',
    ])
    const refining = { type: 'static', refine: true }
    assert.deepEqual(await refusalOf({ method: refining }), ['/calibration/dataset_id dataset_required'])
    const both = { type: 'static', refine: { steps: 5, epochs: 2 } }
    assert.deepEqual(await refusalOf({ method: both, calibration: { dataset_id } }), [
      '/method/refine/steps invalid_request',
    ])
    const unlabelled = await create(service.url, 'datasets', randomData(20, IMAGE))
    const learned = { type: 'qat', loss: 'cross_entropy' }
    assert.deepEqual(await refusalOf({ method: learned, training: { dataset_id: unlabelled } }), [
      '/method/loss dataset_labels_invalid',
    ])
  })

  test('a worker that is killed costs nothing: another one goes on, to the same bytes', async () => {
    const training = { steps: await stepsOfSeconds(LONG_SECONDS), batch_size: 16 }
    const undisturbed = await finished(service.url, (await start(training)).id, PATIENT_MS)
    const job = await start(training)
    await until(async () => (await checkpointsOf(job)).length > 0, 'no checkpoint', PATIENT_MS)
    await service.kill('worker')
    const [left] = await checkpointsOf(job)
    assert.ok(left && left.step > 0 && left.step < training.steps)
    await service.start('worker')
    const resumed = await finished(service.url, job.id, PATIENT_MS)
    assert.equal(resumed.status, 'succeeded', JSON.stringify(resumed.error))
    assert.ok(resumed.attempt > 1)
    assert.ok(modelOf(resumed))
    assert.equal(modelOf(resumed), modelOf(undisturbed))
    const { body } = await call<{ data: { type: string; data: { training?: { loss: number } } }[] }>(
      `${service.url}/v1/jobs/${job.id}/events`,
    )
    const reported = body.data.filter(({ type, data }) => type === 'job.progress' && data.training)
    assert.ok(reported.length > 0 && reported.every(({ data }) => Number.isFinite(data.training!.loss)))
  })

  test('a training that is canceled ends canceled, with the best so far', async () => {
    const job = await start({ steps: 500_000, batch_size: 16 })
    await until(async () => (await getJob(service.url, job.id)).progress?.training !== undefined, 'no training', 60_000)
    await post(`${service.url}/v1/jobs/${job.id}/cancel`, {})
    const done = await finished(service.url, job.id)
    assert.equal(done.status, 'canceled')
    assert.ok(modelOf(done))
    assert.ok(done.metrics!.fidelity!.sqnr_db > 10)
    assert.ok(done.warnings.some(({ code }) => code === 'training_stopped'))
    await isClean(job)
  })

  test('a refinement that is canceled ends canceled, with the best so far', async () => {
    const { body } = await post<Job>(`${service.url}/v1/jobs`, {
      model_id,
      target: 'cpu-int8',
      method: { type: 'static', refine: { steps: 500_000, batch_size: 16 } },
      calibration: { dataset_id },
    })
    await until(
      async () => (await getJob(service.url, body.id)).progress?.training !== undefined,
      'no training',
      60_000,
    )
    await post(`${service.url}/v1/jobs/${body.id}/cancel`, {})
    const done = await finished(service.url, body.id)
    assert.equal(done.status, 'canceled')
    assert.ok(modelOf(done))
    assert.ok(done.warnings.some(({ code }) => code === 'training_stopped'))
  })

  test('a training that runs out of time succeeds with the best so far', async () => {
    const { body } = await post<Job>(`${service.url}/v1/jobs`, {
      model_id,
      target: 'cpu-int8',
      method: { type: 'qat' },
      training: { dataset_id, steps: 500_000, batch_size: 16 },
      limits: { max_runtime_seconds: 10 },
    })
    const done = await finished(service.url, body.id)
    assert.equal(done.status, 'succeeded', JSON.stringify(done.error))
    assert.ok(done.warnings.some(({ code }) => code === 'training_stopped'))
  })
})
