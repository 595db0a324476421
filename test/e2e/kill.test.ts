/** What survives when processes are killed: no accepted job is lost, none ends twice, a native call cannot hold a job. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { call, create, finished, getJob, type Job, post, startJob } from '../kit/client.ts'
import { randomData } from '../kit/data.ts'
import { CLASSES, convNet, endlessLoop, hungry, IMAGE } from '../kit/model.ts'
import { descendantsOf, isAlive } from '../kit/processes.ts'
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
  /** What runs below the worker, its runner last. */
  const runners = () => descendantsOf(service.pid('worker'))
  const noneIsLeft = (pids: number[]) => until(() => pids.filter(isAlive).length === 0, 'a runner is left')
  const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(2)} s`

  test('kill -9 of the worker: its runner goes with it, the job runs again and succeeds once', async (t) => {
    const id = await startSlowJob()
    await reaches(id, 'verifying')
    const orphans = await runners()
    assert.ok(orphans.length > 0)
    const killed = performance.now()
    await service.kill('worker')
    await noneIsLeft(orphans)
    t.diagnostic(`the runner was gone after ${seconds(killed)}`)
    await service.start('worker')
    await until(async () => (await getJob(service.url, id)).attempt === 2, 'it does not run again', 60_000)
    t.diagnostic(`the job ran again after ${seconds(killed)}`)
    const job = await finished(service.url, id, 90_000)
    assert.equal(job.status, 'succeeded', JSON.stringify(job.error))
    assert.equal(job.attempt, 2)
    assert.deepEqual(await terminalEvents(id), ['job.succeeded'])
  })

  test('SIGTERM of the worker: it gives its job back at once, and no attempt counts as lost', async (t) => {
    const id = await startEndlessJob()
    await reaches(id, 'verifying')
    const left = await runners()
    const asked = performance.now()
    await service.kill('worker', 'SIGTERM')
    t.diagnostic(`the worker ended after ${seconds(asked)}`)
    assert.ok(performance.now() - asked < 8000, seconds(asked))
    await noneIsLeft(left)
    const waiting = await getJob(service.url, id)
    assert.deepEqual([waiting.status, waiting.attempt], ['queued', 1])
    await service.start('worker')
    await until(async () => (await getJob(service.url, id)).attempt === 2, 'it does not run again')
    await post(`${service.url}/v1/jobs/${id}/cancel`, {})
    assert.equal((await finished(service.url, id)).status, 'canceled')
    assert.deepEqual(await terminalEvents(id), ['job.canceled'])
  })

  test('kill -9 of the runner: the job fails and says why, the next one runs', async () => {
    const id = await startEndlessJob()
    await reaches(id, 'verifying')
    const runner = (await runners()).at(-1)!
    assert.match(readFileSync(`/proc/${runner}/cmdline`, 'utf8'), /runner\.js/)
    process.kill(runner, 'SIGKILL')
    const job = await finished(service.url, id)
    assert.deepEqual([job.status, job.error?.code, job.attempt], ['failed', 'out_of_memory', 1])
    assert.match(job.error!.detail, /killed from outside/)
    assert.deepEqual(await terminalEvents(id), ['job.failed'])
    assert.equal((await finished(service.url, (await startJob(service.url)).id)).status, 'succeeded')
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

  test('without Redis the worker stops at once too, with its runner; the job runs again later', async (t) => {
    const id = await startEndlessJob()
    await reaches(id, 'verifying')
    const left = await runners()
    await service.redis.kill('SIGKILL')
    const asked = performance.now()
    await service.kill('worker', 'SIGTERM')
    t.diagnostic(`the worker ended after ${seconds(asked)}`)
    assert.ok(performance.now() - asked < 8000, seconds(asked))
    await noneIsLeft(left)
    await service.redis.start()
    await service.start('worker')
    await until(async () => (await getJob(service.url, id)).attempt === 2, 'it does not run again', 60_000)
    assert.equal((await post(`${service.url}/v1/jobs/${id}/cancel`, {})).status, 202)
    assert.equal((await finished(service.url, id)).status, 'canceled')
  })

  test('cancel ends a job inside a native call within 2 s', async (t) => {
    const id = await startEndlessJob()
    await reaches(id, 'verifying')
    const busy = await runners()
    assert.ok(busy.length > 0)
    const asked = performance.now()
    const { status } = await post<Job>(`${service.url}/v1/jobs/${id}/cancel`, {})
    assert.equal(status, 202)
    const job = await finished(service.url, id)
    assert.equal(job.status, 'canceled')
    t.diagnostic(`canceled after ${seconds(asked)}`)
    await noneIsLeft(busy)
    t.diagnostic(`its processes were gone after ${seconds(asked)}`)
    assert.ok(performance.now() - asked < 2000, seconds(asked))
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
