/** A native call cannot hold a job: what is canceled, too late or too large ends all the same. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { call, create, finished, type Job, post, startJob } from '../kit/client.ts'
import { noneIsLeft, reaches, runnersOf, secondsSince, startEndlessJob } from '../kit/lasting-jobs.ts'
import { endlessLoop, hungry } from '../kit/model.ts'
import { type Service, startService } from '../kit/service.ts'

describe('jobs that do not end by themselves', () => {
  let service: Service
  before(async () => {
    service = await startService({ RUNNER_MEMORY_BYTES: String(1 << 30) }, ['api', 'worker'])
  })
  after(() => service.close())

  test('cancel ends a job inside a native call within 2 s', async (t) => {
    const id = await startEndlessJob(service)
    await reaches(service, id, 'verifying')
    const busy = await runnersOf(service)
    assert.ok(busy.length > 0)
    const asked = performance.now()
    const { status } = await post<Job>(`${service.url}/v1/jobs/${id}/cancel`, {})
    assert.equal(status, 202)
    const job = await finished(service.url, id, 90_000)
    assert.equal(job.status, 'canceled')
    t.diagnostic(`canceled after ${secondsSince(asked)}`)
    await noneIsLeft(busy)
    t.diagnostic(`its processes were gone after ${secondsSince(asked)}`)
    assert.ok(performance.now() - asked < 2000, secondsSince(asked))
    const again = await post<Job>(`${service.url}/v1/jobs/${id}/cancel`, {})
    assert.equal(again.status, 200)
  })

  test('a queued job is canceled at once; a finished one is not', async () => {
    const blocker = await startEndlessJob(service)
    await reaches(service, blocker, 'verifying')
    const { id } = await startJob(service.url)
    assert.equal((await post(`${service.url}/v1/jobs/${id}/cancel`, {})).status < 300, true)
    assert.equal((await finished(service.url, id, 90_000)).status, 'canceled')
    await post(`${service.url}/v1/jobs/${blocker}/cancel`, {})
    const done = await finished(service.url, (await startJob(service.url)).id)
    const late = await post<{ code: string }>(`${service.url}/v1/jobs/${done.id}/cancel`, {})
    assert.deepEqual([late.status, late.body.code], [409, 'job_already_finished'])
  })

  test('a job that runs longer than it may fails with time_limit', async () => {
    const job = await finished(service.url, await startEndlessJob(service, { max_runtime_seconds: 2 }))
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
