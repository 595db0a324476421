/** What survives when processes are killed: no accepted job is lost, none ends twice. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { finished, getJob, post, startJob } from '../kit/client.ts'
import {
  eventsOf,
  isTriedAgain,
  noneIsLeft,
  reaches,
  runnersOf,
  secondsSince,
  startEndlessJob,
  startSlowJob,
  terminalEvents,
} from '../kit/lasting-jobs.ts'
import { type Service, startService } from '../kit/service.ts'

describe('when processes die', () => {
  let service: Service
  before(async () => {
    service = await startService({ RUNNER_MEMORY_BYTES: String(1 << 30) }, ['api', 'worker'])
  })
  after(() => service.close())

  test('kill -9 of the worker: its runner goes with it, the job runs again and succeeds once', async (t) => {
    const id = await startSlowJob(service)
    await reaches(service, id, 'verifying')
    const orphans = await runnersOf(service)
    assert.ok(orphans.length > 0)
    const killed = performance.now()
    await service.kill('worker')
    await noneIsLeft(orphans)
    t.diagnostic(`the runner was gone after ${secondsSince(killed)}`)
    await service.start('worker')
    await isTriedAgain(service, id)
    t.diagnostic(`the job ran again after ${secondsSince(killed)}`)
    const job = await finished(service.url, id, 90_000)
    assert.equal(job.status, 'succeeded', JSON.stringify(job.error))
    assert.equal(job.attempt, 2)
    assert.deepEqual(await terminalEvents(service, id), ['job.succeeded'])
  })

  test('SIGTERM of the worker: it gives its job back at once, and no attempt counts as lost', async (t) => {
    const id = await startEndlessJob(service)
    await reaches(service, id, 'verifying')
    const left = await runnersOf(service)
    const asked = performance.now()
    await service.kill('worker', 'SIGTERM')
    t.diagnostic(`the worker ended after ${secondsSince(asked)}`)
    assert.ok(performance.now() - asked < 8000, secondsSince(asked))
    await noneIsLeft(left)
    const waiting = await getJob(service.url, id)
    assert.deepEqual([waiting.status, waiting.attempt], ['queued', 1])
    await service.start('worker')
    await isTriedAgain(service, id)
    await post(`${service.url}/v1/jobs/${id}/cancel`, {})
    assert.equal((await finished(service.url, id, 90_000)).status, 'canceled')
    assert.deepEqual(await terminalEvents(service, id), ['job.canceled'])
  })

  test('kill -9 of the runner: the job says so, waits a moment and runs again', async () => {
    const id = await startEndlessJob(service)
    await reaches(service, id, 'verifying')
    const runner = (await runnersOf(service)).at(-1)!
    assert.match(readFileSync(`/proc/${runner}/cmdline`, 'utf8'), /runner\.js/)
    process.kill(runner, 'SIGKILL')
    await isTriedAgain(service, id)
    assert.deepEqual(
      (await eventsOf(service, id)).filter(({ type }) => type === 'job.retrying').map(({ data }) => data.code),
      ['runner_killed'],
    )
    await post(`${service.url}/v1/jobs/${id}/cancel`, {})
    assert.equal((await finished(service.url, id, 90_000)).status, 'canceled')
    assert.deepEqual(await terminalEvents(service, id), ['job.canceled'])
  })

  test('kill -9 of the API right after it accepted: the job runs', async () => {
    const { id } = await startJob(service.url)
    await service.kill('api')
    await service.start('api')
    assert.equal((await finished(service.url, id, 90_000)).status, 'succeeded')
    assert.deepEqual(await terminalEvents(service, id), ['job.succeeded'])
  })
})
