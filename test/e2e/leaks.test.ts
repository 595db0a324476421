/** Processes are killed at every stage of uploads and jobs: soon after, every byte in the store belongs to a record, and every record has its bytes. */
import assert from 'node:assert/strict'
import { utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Deps } from '../../src/deps.ts'
import { closeDeps, openDeps } from '../../src/open-deps.ts'
import { readConfig } from '../../src/shared/config.ts'
import { createLogger } from '../../src/shared/log.ts'
import { accountsAgree } from '../kit/accounts.ts'
import { call, finished, startJob, upload } from '../kit/client.ts'
import { terminalEvents } from '../kit/lasting-jobs.ts'
import { mlp } from '../kit/model.ts'
import { type Service, startService, until } from '../kit/service.ts'

const SECONDS = 2
const ROUNDS = 6
const AGREE_MS = 60_000

describe('bytes of killed processes', () => {
  let service: Service
  let deps: Deps
  before(async () => {
    service = await startService({ COLLECTION_SECONDS: String(SECONDS) }, ['api', 'worker'])
    const { directory, url } = service.redis
    const config = readConfig({ DATA_DIR: directory, REDIS_URL: url, COLLECTION_SECONDS: String(SECONDS) })
    deps = await openDeps(config, createLogger('silent', 'test'))
  })
  after(async () => {
    await closeDeps(deps)
    await service.close()
  })

  /** Uploads that nobody waits for. */
  const uploadSome = (seed: number) =>
    Promise.allSettled([0, 1, 2].map((i) => upload(`${service.url}/v1/models`, mlp(seed + i))))
  const everyModelIsWhole = async () => {
    const { body } = await call<{ data: { id: string }[] }>(`${service.url}/v1/models?limit=100`)
    for (const { id } of body.data)
      assert.equal((await call(`${service.url}/v1/models/${id}/content`)).status, 200, `${id} has no bytes`)
  }

  test('kill -9 of the API at any moment of an upload', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const uploads = uploadSome(100 * round)
      await delay(25 * round)
      await service.kill('api')
      await uploads
      await service.start('api')
    }
    await accountsAgree(deps, AGREE_MS)
    await everyModelIsWhole()
  })

  test('kill -9 of Redis at any moment of an upload', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const uploads = uploadSome(10_000 + 100 * round)
      await delay(25 * round)
      await service.redis.kill('SIGKILL')
      await uploads
      await service.redis.start()
      await until(async () => (await call(`${service.url}/readyz`)).status === 200, 'it is not ready')
    }
    await accountsAgree(deps, AGREE_MS)
    await everyModelIsWhole()
  })

  test('kill -9 of the worker at any moment of a job: it is published once, whole', async () => {
    const jobs: string[] = []
    for (let round = 0; round < 4; round++) {
      const request = { method: { type: 'dynamic' }, calibration: undefined }
      const { id } = await startJob(service.url, request, mlp(20_000 + round))
      jobs.push(id)
      await delay(400 * (round + 1))
      await service.kill('worker')
      await service.start('worker')
    }
    for (const id of jobs) {
      const job = await finished(service.url, id, AGREE_MS)
      assert.equal(job.status, 'succeeded', JSON.stringify(job.error))
      assert.deepEqual(await terminalEvents(service, id), ['job.succeeded'])
      for (const artifact of job.artifacts)
        assert.equal((await call(`${service.url}/v1/artifacts/${artifact.id}/content`)).status, 200)
    }
    await accountsAgree(deps, AGREE_MS)
  })

  test('bytes that are older than the records of this Redis are not judged', async () => {
    const { sha256 } = await deps.store.put(Readable.from([Buffer.from('of another Redis')]), { maxBytes: 100 })
    const path = join(service.redis.directory, 'store', 'sha256', sha256.slice(0, 2), sha256.slice(2, 4), sha256)
    await utimes(path, 1000, 1000)
    await delay(4000 * SECONDS)
    assert.ok(await deps.store.head(sha256))
    await utimes(path, Date.now() / 1000, Date.now() / 1000)
    await accountsAgree(deps, AGREE_MS)
    assert.equal(await deps.store.head(sha256), null)
  })

  test('what is deleted goes, what is left stays', async () => {
    const { body } = await call<{ data: { id: string }[] }>(`${service.url}/v1/models?limit=100`)
    for (const { id } of body.data.filter((_, i) => i % 2 === 0))
      assert.equal((await call(`${service.url}/v1/models/${id}`, { method: 'DELETE' })).status, 204)
    await delay(4000 * SECONDS)
    await accountsAgree(deps, AGREE_MS)
    await everyModelIsWhole()
  })
})
