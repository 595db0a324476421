/** Ways to submit a job: as it was sent, repeated, deduplicated, by priority, and waited for at once. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { claimJob } from '../../src/jobs/attempt/claim-job.ts'
import { finishJob } from '../../src/jobs/attempt/finish-job.ts'
import { reconcileJobs } from '../../src/jobs/reconcile-jobs.ts'
import { FewbitError } from '../../src/shared/errors.ts'
import { type Api, startApi } from '../kit/api.ts'
import { call, create, type Job, post } from '../kit/client.ts'
import { convNet, mlp } from '../kit/model.ts'

interface Problem {
  code: string
  errors?: { pointer: string }[]
}

describe('submitting jobs', () => {
  let api: Api
  let model_id: string
  before(async () => {
    api = await startApi()
    model_id = await create(api.url, 'models', mlp())
  })
  after(() => api.close())

  const request = (more: object = {}) => ({ model_id, target: 'cpu-int8', method: { type: 'dynamic' }, ...more })
  const submit = <T = Job>(body: object, headers: Record<string, string> = {}) =>
    post<T>(`${api.url}/v1/jobs`, body, headers)
  const cancel = (id: string) => post<Job>(`${api.url}/v1/jobs/${id}/cancel`, {})
  const retry = <T = Job>(id: string, headers: Record<string, string> = {}) =>
    post<T>(`${api.url}/v1/jobs/${id}/retry`, {}, headers)

  test('the request is shown as it was sent, and the options with every default', async () => {
    const sent = request({ metadata: { of: 'mine' }, limits: { max_runtime_seconds: 60 } })
    const { body } = await submit(sent)
    assert.deepEqual(body.request, sent)
    assert.deepEqual((await call<Job>(`${api.url}/v1/jobs/${body.id}`)).body.request, sent)
    assert.deepEqual([body.options.method, body.priority], [{ type: 'dynamic', per_channel: true }, 'normal'])
    await cancel(body.id)
  })

  test('a finished job is repeated as a new one; one that is not finished is not', async () => {
    const first = (await submit(request({ metadata: { of: 'mine' }, seed: 7 }))).body
    const early = await retry<Problem>(first.id)
    assert.deepEqual([early.status, early.body.code], [409, 'job_not_finished'])
    await cancel(first.id)
    const key = { 'idempotency-key': 'once' }
    const [again, repeated] = [await retry(first.id, key), await retry(first.id, key)]
    assert.deepEqual([again.status, repeated.body.id], [202, again.body.id])
    const { id, retry_of, status, options } = again.body
    assert.deepEqual([retry_of, status, options], [first.id, 'queued', first.options])
    assert.deepEqual(again.body.request, first.request)
    assert.equal(again.headers.get('location'), `/v1/jobs/${id}`)
    await cancel(id)
    assert.equal((await retry('job_01arz3ndektsv4rrffq69g5fav')).status, 404)
    const gone = await create(api.url, 'models', convNet())
    const lost = (await submit(request({ model_id: gone }))).body
    await cancel(lost.id)
    await call(`${api.url}/v1/models/${gone}`, { method: 'DELETE' })
    const refused = await retry<Problem>(lost.id)
    assert.deepEqual([refused.status, refused.body.errors?.[0]?.pointer], [422, '/model_id'])
  })

  test('of identical submissions at once that ask for it, one job is made; whoever does not ask gets another', async () => {
    const work = request({ deduplicate: true, seed: 11 })
    const answers = await Promise.all(Array.from({ length: 8 }, () => submit(work)))
    const [only, ...others] = [...new Set(answers.map(({ body }) => body.id))]
    assert.deepEqual([others, answers.filter(({ status }) => status === 202).length], [[], 1])
    const plain = await submit(request({ seed: 11 }))
    assert.notEqual(plain.body.id, only)
    for (const other of [{ seed: 12 }, { exclude: { op_types: ['Gemm'] } }, { goals: { min_speedup: 1 } }]) {
      const { status, body } = await submit({ ...work, ...other })
      assert.equal(status, 202, JSON.stringify(other))
      await cancel(body.id)
    }
    // what is only said differently is the same
    const said = { ...work, method: { per_channel: true, type: 'dynamic' }, metadata: { a: 'b' } }
    assert.equal((await submit(said)).status, 200)
    await cancel(only!)
    await cancel(plain.body.id)
    const fresh = await submit(work)
    assert.equal(fresh.status, 202)
    assert.ok(await claimJob(api.deps, fresh.body.id, 'rlimits'))
    assert.equal((await cancel(fresh.body.id)).body.status, 'canceling')
    const next = await submit(work)
    assert.deepEqual([next.status, next.body.id === fresh.body.id], [202, false])
    await cancel(next.body.id)
  })

  test('waiting jobs are taken by priority, and keep it when the queue has lost them', async () => {
    const ids: Record<string, string> = {}
    for (const priority of ['low', 'normal', 'high']) ids[priority] = (await submit(request({ priority }))).body.id
    const { jobs } = api.deps.queues
    const mine = new Set(Object.values(ids))
    const order = async () => (await jobs.getPrioritized()).map(({ data }) => data.jobId).filter((id) => mine.has(id))
    assert.deepEqual(await order(), [ids.high, ids.normal, ids.low])
    await jobs.drain()
    await reconcileJobs(api.deps)
    assert.deepEqual(await order(), [ids.high, ids.normal, ids.low])
    assert.equal((await submit<Problem>(request({ priority: 1 }))).status, 422)
    for (const id of Object.values(ids)) await cancel(id)
  })

  test('whoever prefers to wait is answered when the job has ended, or when the wait is over', async () => {
    const short = await submit(request(), { prefer: 'wait=1' })
    assert.deepEqual([short.status, short.body.status], [202, 'queued'])
    assert.equal(short.headers.get('preference-applied'), 'wait=1')
    await cancel(short.body.id)
    const waiting = submit(request({ seed: 5 }), { prefer: 'respond-async, wait=30' })
    const open = async () => (await call<{ data: Job[] }>(`${api.url}/v1/jobs?status=queued`)).body.data[0]
    let job = await open()
    while (!job) job = await open()
    const claim = await claimJob(api.deps, job.id, 'rlimits')
    assert.ok(claim)
    await finishJob(api.deps, claim, { status: 'failed', error: new FewbitError('quantization_failed', 'a test') })
    const { status, body, headers } = await waiting
    assert.deepEqual([status, body.id, body.status], [200, job.id, 'failed'])
    assert.equal(headers.get('location'), `/v1/jobs/${job.id}`)
  })
})
