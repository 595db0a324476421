/** What survives when processes are killed: no accepted job is lost, none ends twice, a native call cannot hold a job. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { call, create, finished, getJob, type Job, post, startJob } from '../kit/client.ts'
import { randomData } from '../kit/data.ts'
import { CLASSES, convNet, endlessLoop, hungry, IMAGE } from '../kit/model.ts'
import { type Service, startService, until } from '../kit/service.ts'

interface Events {
  data: { id: string; type: string }[]
}
const TERMINAL = /^job\.(succeeded|failed|canceled|expired)$/

describe('when processes die', () => {
  let service: Service
  before(async () => {
    service = await startService({ RUNNER_MEMORY_BYTES: String(1 << 30) }, ['api', 'worker'])
  })
  after(() => service.close())

  /** Takes several seconds: many samples to judge. */
  const startSlowJob = async () => {
    const dataset_id = await create(service.url, 'datasets', randomData(4000, IMAGE, { classes: CLASSES }))
    return (await startJob(service.url, { evaluation: { dataset_id } }, convNet({ width: 96 }))).id
  }
  const startEndlessJob = async (limits?: object) => {
    const request = { method: { type: 'dynamic' }, calibration: undefined, limits }
    return (await startJob(service.url, request, endlessLoop())).id
  }
  const reaches = (id: string, phase: string) =>
    until(async () => (await getJob(service.url, id)).phase === phase, `no job ${phase}`)
  const terminalEvents = async (id: string) => {
    const { body } = await call<Events>(`${service.url}/v1/jobs/${id}/events?limit=100`)
    return body.data.filter(({ type }) => TERMINAL.test(type)).map(({ type }) => type)
  }
  const runners = () => {
    const table = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' })
    return table
      .split('\n')
      .filter((line) => line.includes('workers/runner.js') && line.includes(service.redis.directory) === false)
  }

  test('kill -9 of the worker: the job runs again and succeeds once', async () => {
    const id = await startSlowJob()
    await reaches(id, 'verifying')
    await service.kill('worker')
    await service.start('worker')
    const job = await finished(service.url, id, 90_000)
    assert.equal(job.status, 'succeeded', JSON.stringify(job.error))
    assert.equal(job.attempt, 2)
    assert.deepEqual(await terminalEvents(id), ['job.succeeded'])
  })

  test('kill -9 of the API right after it accepted: the job runs', async () => {
    const { id } = await startJob(service.url)
    await service.kill('api')
    await service.start('api')
    assert.equal((await finished(service.url, id)).status, 'succeeded')
    assert.deepEqual(await terminalEvents(id), ['job.succeeded'])
  })

  test('kill -9 of Redis under a running and a queued job: both succeed once', async () => {
    const ids = [await startSlowJob(), (await startJob(service.url)).id]
    await reaches(ids[0]!, 'verifying')
    await service.redis.kill('SIGKILL')
    const asked = performance.now()
    const { status, headers } = await call(`${service.url}/v1/jobs/${ids[0]}`)
    assert.equal(status, 503)
    assert.ok(headers.get('retry-after'))
    assert.ok(performance.now() - asked < 4000)
    assert.equal((await call(`${service.url}/livez`)).status, 200)
    await service.redis.start()
    for (const id of ids) {
      assert.equal((await finished(service.url, id, 90_000)).status, 'succeeded')
      assert.deepEqual(await terminalEvents(id), ['job.succeeded'])
    }
  })

  test('cancel ends a job inside a native call within 2 s', async () => {
    const id = await startEndlessJob()
    await reaches(id, 'verifying')
    const asked = performance.now()
    const { status } = await post<Job>(`${service.url}/v1/jobs/${id}/cancel`, {})
    assert.equal(status, 202)
    const job = await finished(service.url, id)
    assert.equal(job.status, 'canceled')
    assert.ok(performance.now() - asked < 2000, `${performance.now() - asked} ms`)
    await until(() => runners().length === 0, 'a runner is left')
    const again = await post<Job>(`${service.url}/v1/jobs/${id}/cancel`, {})
    assert.equal(again.status, 200)
  })

  test('a queued job is canceled at once; a finished one is not', async () => {
    const blocker = await startEndlessJob()
    await reaches(blocker, 'verifying')
    const { id } = await startJob(service.url)
    assert.equal((await post(`${service.url}/v1/jobs/${id}/cancel`, {})).status < 300, true)
    assert.equal((await finished(service.url, id)).status, 'canceled')
    await post(`${service.url}/v1/jobs/${blocker}/cancel`, {})
    const done = await finished(service.url, (await startJob(service.url)).id)
    const late = await post<{ code: string }>(`${service.url}/v1/jobs/${done.id}/cancel`, {})
    assert.deepEqual([late.status, late.body.code], [409, 'job_already_finished'])
  })

  test('a job that runs longer than it may fails with time_limit', async () => {
    const job = await finished(service.url, await startEndlessJob({ max_runtime_seconds: 2 }))
    assert.deepEqual([job.status, job.error?.code], ['failed', 'time_limit'])
  })

  test('a model that wants more memory than a job may use fails with out_of_memory, and nobody else notices', async () => {
    for (const gigabytes of [3, 500]) {
      const request = { method: { type: 'dynamic' }, calibration: undefined }
      const job = await finished(service.url, (await startJob(service.url, request, hungry(gigabytes))).id)
      assert.deepEqual([job.status, job.error?.code], ['failed', 'out_of_memory'], JSON.stringify(job.error))
    }
    assert.equal((await finished(service.url, (await startJob(service.url)).id)).status, 'succeeded')
  })

  test('errors and logs name no path of this machine', async () => {
    const model_id = await create(service.url, 'models', endlessLoop())
    const { body } = await call<{ data: Job[] }>(`${service.url}/v1/jobs?limit=100`)
    const failed = body.data.filter(({ error }) => error)
    assert.ok(model_id && failed.length > 0)
    for (const { error } of failed)
      assert.doesNotMatch(JSON.stringify(error), /\/(tmp|home|root|usr|onnxruntime_src)\//)
  })
})
