/** What survives when Redis is killed under the service: no accepted job is lost, none ends twice. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { call, finished, post, startJob } from '../kit/client.ts'
import {
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

describe('when Redis dies', () => {
  let service: Service
  before(async () => {
    service = await startService({ RUNNER_MEMORY_BYTES: String(1 << 30) }, ['api', 'worker'])
  })
  after(() => service.close())

  test('kill -9 of Redis under a running and a queued job: both succeed once', async () => {
    const ids = [await startSlowJob(service), (await startJob(service.url)).id]
    await reaches(service, ids[0]!, 'verifying')
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
      assert.deepEqual(await terminalEvents(service, id), ['job.succeeded'])
    }
  })

  test('without Redis the worker stops at once too, with its runner; the job runs again later', async (t) => {
    const id = await startEndlessJob(service)
    await reaches(service, id, 'verifying')
    const left = await runnersOf(service)
    await service.redis.kill('SIGKILL')
    const asked = performance.now()
    await service.kill('worker', 'SIGTERM')
    t.diagnostic(`the worker ended after ${secondsSince(asked)}`)
    assert.ok(performance.now() - asked < 8000, secondsSince(asked))
    await noneIsLeft(left)
    await service.redis.start()
    await service.start('worker')
    await isTriedAgain(service, id)
    assert.equal((await post(`${service.url}/v1/jobs/${id}/cancel`, {})).status, 202)
    assert.equal((await finished(service.url, id, 90_000)).status, 'canceled')
  })
})
