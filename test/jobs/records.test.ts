/** The record is the truth: what older attempts, lost queue entries, late workers and impatient limits can do to it. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Claim, claimJob } from '../../src/jobs/attempt/claim-job.ts'
import { finishJob } from '../../src/jobs/attempt/finish-job.ts'
import { releaseJob } from '../../src/jobs/attempt/release-job.ts'
import { reportProgress } from '../../src/jobs/attempt/report-progress.ts'
import { reconcileJobs } from '../../src/jobs/reconcile-jobs.ts'
import { hasLiveEntry } from '../../src/queue/enqueue.ts'
import { FewbitError } from '../../src/shared/errors.ts'
import { type Api, startApi } from '../kit/api.ts'
import { call, getJob, post, startJob } from '../kit/client.ts'
import { mlp } from '../kit/model.ts'

const failed = { status: 'failed' as const, error: new FewbitError('calibration_failed', 'for the test') }
const progress = (fraction: number) => ({ phase: 'verifying', fraction, step: 1, total_steps: 2, message: '' })

describe('a job record', () => {
  let api: Api
  before(async () => {
    api = await startApi()
  })
  after(() => api.close())

  const accept = async (more: object = {}) =>
    (await startJob(api.url, { method: { type: 'dynamic' }, calibration: undefined, ...more }, mlp())).id
  const claim = async (id: string): Promise<Claim> =>
    (await claimJob(api.deps, id, 'rlimits')) ?? assert.fail('no claim')
  const typesOf = async (id: string) =>
    (await call<{ data: { type: string }[] }>(`${api.url}/v1/jobs/${id}/events`)).body.data.map(({ type }) => type)

  test('an older attempt can write nothing any more: no progress, no end', async () => {
    const id = await accept()
    const [older, newer] = [await claim(id), await claim(id)]
    assert.deepEqual([older.attempt, newer.attempt], [1, 2])
    await reportProgress(api.deps, older, progress(0.9))
    assert.equal(await finishJob(api.deps, older, failed), false)
    assert.deepEqual([(await getJob(api.url, id)).status, (await getJob(api.url, id)).progress], ['running', null])
    assert.equal(await finishJob(api.deps, newer, failed), true)
    assert.equal(await claimJob(api.deps, id, 'rlimits'), null)
    assert.deepEqual(await typesOf(id), ['job.queued', 'job.started', 'job.retrying', 'job.failed'])
  })

  test('two ends at the same moment: one is written, with one event', async () => {
    const id = await accept()
    const held = await claim(id)
    const ends = await Promise.all([
      finishJob(api.deps, held, failed),
      post(`${api.url}/v1/jobs/${id}/cancel`, {}),
      finishJob(api.deps, held, { status: 'canceled' }),
    ])
    const { status } = await getJob(api.url, id)
    const terminal = (await typesOf(id)).filter((type) => /failed|canceled/.test(type))
    assert.deepEqual(terminal, [`job.${status}`], JSON.stringify(ends))
  })

  test('progress never falls', async () => {
    const held = await claim(await accept())
    for (const fraction of [0.5, 0.2, 0.6]) await reportProgress(api.deps, held, progress(fraction))
    const { body } = await call<{ data: { type: string; data: { fraction?: number } }[] }>(
      `${api.url}/v1/jobs/${held.jobId}/events`,
    )
    const fractions = body.data.flatMap(({ data }) => data.fraction ?? [])
    assert.deepEqual(fractions, fractions.toSorted())
    assert.equal((await getJob(api.url, held.jobId)).progress?.fraction, 0.6)
  })

  test('whose queue entry was lost gets another', async () => {
    const id = await accept()
    await api.deps.queues.jobs.remove(id)
    assert.equal(await hasLiveEntry(api.deps, id), false)
    await reconcileJobs(api.deps)
    assert.equal(await hasLiveEntry(api.deps, id), true)
    assert.equal((await getJob(api.url, id)).status, 'queued')
  })

  test('that was being canceled when its worker was lost ends canceled', async () => {
    const id = await accept()
    await claim(id)
    assert.equal((await post(`${api.url}/v1/jobs/${id}/cancel`, {})).status, 202)
    await api.deps.queues.jobs.remove(id)
    await reconcileJobs(api.deps)
    assert.equal((await getJob(api.url, id)).status, 'canceled')
  })

  test('that waited longer than it may expires, whether a worker comes or not', async () => {
    const [swept, taken] = [
      await accept({ limits: { max_queue_seconds: 1 } }),
      await accept({ limits: { max_queue_seconds: 1 } }),
    ]
    await delay(1100)
    assert.equal(await claimJob(api.deps, taken, 'rlimits'), null)
    await reconcileJobs(api.deps)
    for (const id of [swept, taken]) {
      const { status, error } = await getJob(api.url, id)
      assert.deepEqual([status, error?.code], ['expired', 'queue_expired'])
      assert.deepEqual(await typesOf(id), ['job.queued', 'job.expired'])
    }
    assert.equal(await hasLiveEntry(api.deps, swept), false)
  })

  test('whose workers die again and again is given up; a worker that shuts down does not count', async () => {
    const id = await accept()
    for (let times = 0; times < 4; times++) await releaseJob(api.deps, await claim(id))
    for (let lost = 0; lost < 5; lost++) await claim(id)
    assert.equal(await claimJob(api.deps, id, 'rlimits'), null)
    const { status, error, attempt } = await getJob(api.url, id)
    assert.deepEqual([status, error?.code, attempt], ['failed', 'worker_lost', 9])
    assert.equal((await typesOf(id)).filter((type) => type === 'job.failed').length, 1)
  })
})
