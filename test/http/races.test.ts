/** Requests that meet: whatever the order, nothing accepted loses what it needs, and no limit is passed. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Api, startApi } from '../kit/api.ts'
import { call, create, type Job, post, upload } from '../kit/client.ts'
import { randomData } from '../kit/data.ts'
import { convNet, IMAGE, mlp } from '../kit/model.ts'

const MAX_QUEUED_JOBS = 20

describe('requests that meet', () => {
  let api: Api
  before(async () => {
    api = await startApi({ MAX_QUEUED_JOBS: String(MAX_QUEUED_JOBS) })
  })
  after(() => api.close())

  const dynamic = (model_id: string) =>
    post<Job & { code: string }>(`${api.url}/v1/jobs`, { model_id, target: 'cpu-int8', method: { type: 'dynamic' } })
  const cancel = (id: string) => post(`${api.url}/v1/jobs/${id}/cancel`, {})

  test('a model deleted while a job is created: the job has it, or is not there', async () => {
    const seen = { accepted: 0, deleted: 0 }
    for (let round = 0; round < 40; round++) {
      const id = await create(api.url, 'models', mlp(round))
      const [job, deletion] = await Promise.all([dynamic(id), call(`${api.url}/v1/models/${id}`, { method: 'DELETE' })])
      assert.ok(deletion.status === 204 || deletion.status === 409, String(deletion.status))
      assert.notEqual(job.status === 202, deletion.status === 204, `${job.status} and ${deletion.status}`)
      if (job.status !== 202) {
        assert.equal(job.status, 422)
        seen.deleted++
        continue
      }
      seen.accepted++
      for (const { sha256 } of (await call<{ files: { sha256: string }[] }>(`${api.url}/v1/models/${id}`)).body.files)
        assert.ok(await api.deps.store.head(sha256))
      await cancel(job.body.id)
      assert.equal((await call(`${api.url}/v1/models/${id}`, { method: 'DELETE' })).status, 204)
    }
    assert.equal(seen.accepted + seen.deleted, 40)
  })

  test('a data set of an unfinished job stays; one of a finished job may go', async () => {
    const [model_id, dataset_id] = [
      await create(api.url, 'models', convNet()),
      await create(api.url, 'datasets', randomData(8, IMAGE)),
    ]
    const job = await post<Job>(`${api.url}/v1/jobs`, {
      model_id,
      target: 'cpu-int8',
      method: { type: 'static' },
      calibration: { dataset_id },
    })
    const remove = () => call(`${api.url}/v1/datasets/${dataset_id}`, { method: 'DELETE' })
    assert.equal((await remove()).status, 409)
    await cancel(job.body.id)
    assert.equal((await remove()).status, 204)
  })

  test('as many jobs at once as are allowed, and not one more', async () => {
    const model = await create(api.url, 'models', mlp(500))
    const answers = await Promise.all(Array.from({ length: 3 * MAX_QUEUED_JOBS }, () => dynamic(model)))
    const accepted = answers.filter(({ status }) => status === 202)
    assert.equal(accepted.length, MAX_QUEUED_JOBS)
    const refused = answers.filter(({ status }) => status !== 202)
    assert.deepEqual([...new Set(refused.map(({ body }) => body.code))], ['too_many_jobs'])
    for (const { body } of accepted) await cancel(body.id)
  })

  test('upload and deletion of the same bytes at once: each succeeds, and what is left is whole', async () => {
    const bytes = mlp(900)
    let id = await create(api.url, 'models', bytes)
    for (let round = 0; round < 40; round++) {
      const [sent, gone] = await Promise.all([
        upload<{ id: string }>(`${api.url}/v1/models`, bytes),
        call(`${api.url}/v1/models/${id}`, { method: 'DELETE' }),
      ])
      assert.ok(sent.status === 200 || sent.status === 201, `${sent.status} ${JSON.stringify(sent.body)}`)
      assert.ok(gone.status === 204, String(gone.status))
      const kept = await call<{ sha256: string }>(`${api.url}/v1/models/${sent.body.id}`)
      if (kept.status === 200) assert.ok(await api.deps.store.head(kept.body.sha256), 'the bytes are gone')
      id = kept.status === 200 ? sent.body.id : await create(api.url, 'models', bytes)
    }
  })
})
