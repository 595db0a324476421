/** Limits of an owner: stored bytes, unfinished jobs, size of an upload; told in advance, never passed, given back by deletion. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import type { NewApiKey } from '../../src/api-keys/api-key.ts'
import { claimJob } from '../../src/jobs/attempt/claim-job.ts'
import { finishJob } from '../../src/jobs/attempt/finish-job.ts'
import { bytesOf } from '../../src/owners/usage.ts'
import { newId } from '../../src/shared/ids.ts'
import { putAs } from '../../src/storage/refs.ts'
import { type Api, startApi } from '../kit/api.ts'
import { call, create, post, upload } from '../kit/client.ts'
import { mlp } from '../kit/model.ts'

const MODEL_BYTES = mlp(1).length
/** room for three models and their forms, and not for four */
const MAX_STORED_BYTES = Math.floor(3.9 * MODEL_BYTES)

interface Problem {
  code: string
  hint?: string
}

describe('limits of an owner', () => {
  let api: Api
  before(async () => {
    api = await startApi({ MAX_STORED_BYTES: String(MAX_STORED_BYTES), MAX_QUEUED_JOBS: '3' })
  })
  after(() => api.close())

  const raw = (bytes: Buffer | Uint8Array, headers: Record<string, string> = {}) =>
    call<{ id: string } & Problem>(`${api.url}/v1/models`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', ...headers },
      body: bytes as Uint8Array<ArrayBuffer>,
    })
  /** without a Content-Length */
  const chunked = (bytes: Buffer | Uint8Array) =>
    call<{ id: string } & Problem>(`${api.url}/v1/models`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: new Blob([bytes as Uint8Array<ArrayBuffer>]).stream(),
      duplex: 'half',
    } as RequestInit)
  const stored = async () => (await bytesOf(api.deps, 'local')).used
  const clear = async () => {
    const { body } = await call<{ data: { id: string }[] }>(`${api.url}/v1/models?limit=100`)
    for (const { id } of body.data) await call(`${api.url}/v1/models/${id}`, { method: 'DELETE' })
  }

  test('as many bytes as are allowed are stored, however the uploads meet; the rest is 429, told and retryable', async () => {
    for (const send of [
      raw,
      chunked,
      (bytes: Buffer | Uint8Array) => upload<{ id: string } & Problem>(`${api.url}/v1/models`, bytes),
    ]) {
      for (let round = 0; round < 3; round++) {
        const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => send(mlp(100 * round + i))))
        const kept = answers.filter(({ status }) => status === 201)
        const refused = answers.filter(({ status }) => status !== 201)
        assert.ok(kept.length <= 3, String(kept.length))
        for (const { status, body, headers } of refused) {
          assert.deepEqual([status, body.code], [429, 'stored_bytes_exceeded'])
          assert.ok(body.hint && headers.get('retry-after'))
        }
        assert.equal(await stored(), kept.length * MODEL_BYTES)
        assert.equal((await api.storedFiles()).length, kept.length)
        await clear()
        assert.deepEqual([await stored(), (await api.storedFiles()).length], [0, 0])
      }
    }
  })

  test('one after the other, all the room can be used, and the fields say how much is left', async () => {
    for (let i = 0; i < 3; i++) {
      const { status, headers } = await raw(mlp(i))
      assert.equal(status, 201)
      assert.equal(headers.get('ratelimit-policy'), `"stored-bytes";q=${MAX_STORED_BYTES};qu="content-bytes"`)
      assert.equal(headers.get('ratelimit'), `"stored-bytes";r=${MAX_STORED_BYTES - (i + 1) * MODEL_BYTES}`)
    }
    const refused = await raw(mlp(3))
    assert.equal(refused.status, 429)
    assert.equal(refused.headers.get('ratelimit'), `"stored-bytes";r=${MAX_STORED_BYTES - 3 * MODEL_BYTES}`)
    await clear()
  })

  test('the same bytes again cost nothing, and a refused upload gives its room back', async () => {
    const model = await raw(mlp(5))
    assert.equal((await raw(mlp(5))).status, 200)
    assert.equal((await raw(new Uint8Array(MODEL_BYTES))).status, 422)
    assert.equal(await stored(), MODEL_BYTES)
    const twice = [1, 2].map(() => call(`${api.url}/v1/models/${model.body.id}`, { method: 'DELETE' }))
    assert.deepEqual((await Promise.all(twice)).map(({ status }) => status).toSorted()[0], 204)
    assert.equal(await stored(), 0)
  })

  test('unfinished jobs: told with each answer, and 429 past the last', async () => {
    const model_id = await create(api.url, 'models', mlp(6))
    const start = () =>
      post<{ id: string } & Problem>(`${api.url}/v1/jobs`, {
        model_id,
        target: 'cpu-int8',
        method: { type: 'dynamic' },
      })
    const ids: string[] = []
    for (let left = 2; left >= 0; left--) {
      const { status, headers, body } = await start()
      assert.equal(status, 202)
      ids.push(body.id)
      assert.match(headers.get('ratelimit') ?? '', new RegExp(`"unfinished-jobs";r=${left}, "stored-bytes";r=\\d+`))
      assert.match(headers.get('ratelimit-policy') ?? '', /^"unfinished-jobs";q=3;qu="concurrent-requests", /)
    }
    const refused = await start()
    assert.deepEqual([refused.status, refused.body.code], [429, 'too_many_jobs'])
    assert.ok(
      refused.headers.get('retry-after') && /"unfinished-jobs";r=0/.test(refused.headers.get('ratelimit') ?? ''),
    )
    for (const id of ids) {
      await post(`${api.url}/v1/jobs/${id}/cancel`, {})
      assert.equal((await call(`${api.url}/v1/jobs/${id}`, { method: 'DELETE' })).status, 204)
    }
    await clear()
  })

  test('artifacts count, keep new jobs out when nothing is left, and go with their job', async () => {
    const model_id = await create(api.url, 'models', mlp(7))
    const start = () =>
      post<{ id: string } & Problem>(`${api.url}/v1/jobs`, {
        model_id,
        target: 'cpu-int8',
        method: { type: 'dynamic' },
      })
    const { body: job } = await start()
    assert.equal(
      (await call<Problem>(`${api.url}/v1/jobs/${job.id}`, { method: 'DELETE' })).body.code,
      'job_not_finished',
    )
    const artifact = await finish(job.id, MAX_STORED_BYTES)
    assert.equal(await stored(), MODEL_BYTES + MAX_STORED_BYTES)
    assert.deepEqual([(await start()).status, (await raw(mlp(8))).status], [429, 429])
    assert.equal(
      (await call(`${api.url}/v1/jobs/${job.id}`, { method: 'DELETE', headers: { 'if-match': 'W/"0"' } })).status,
      412,
    )
    const removals = await Promise.all([1, 2, 3].map(() => call(`${api.url}/v1/jobs/${job.id}`, { method: 'DELETE' })))
    assert.deepEqual(removals.map(({ status }) => status).toSorted(), [204, 404, 404])
    for (const path of [`jobs/${job.id}`, `jobs/${job.id}/events`, `artifacts/${artifact}`])
      assert.equal((await call(`${api.url}/v1/${path}`)).status, 404, path)
    for (const query of ['', '?status=succeeded', `?model_id=${model_id}`])
      assert.equal((await call<{ data: unknown[] }>(`${api.url}/v1/jobs${query}`)).body.data.length, 0, query)
    assert.deepEqual([await stored(), (await api.storedFiles()).length], [MODEL_BYTES, 1])
    await clear()
    assert.deepEqual(
      (await api.deps.redis.keys('*job_*')).filter((key) => !key.includes(':queue:')),
      [],
    )
  })

  test('one owner’s bytes and jobs are not another’s', async () => {
    const keys = await Promise.all(
      ['acme', 'other'].map((owner) =>
        post<NewApiKey>(`${api.url}/v1/api-keys`, { name: 'k', scopes: ['write'], owner }),
      ),
    )
    for (const { body } of keys)
      for (let i = 0; i < 4; i++) {
        const { status } = await raw(mlp(i), { authorization: `Bearer ${body.key}` })
        assert.equal(status, i < 3 ? 201 : 429)
      }
    assert.equal(await stored(), 0)
  })

  /** As a worker would. */
  async function finish(jobId: string, size: number): Promise<string> {
    const claim = await claimJob(api.deps, jobId, 'rlimits')
    assert.ok(claim)
    const id = newId('art')
    const source = Readable.from([Buffer.alloc(size)])
    const { sha256 } = await putAs(api.deps, source, { maxBytes: size }, `artifact:${id}`)
    const artifact = {
      ...{
        id,
        object: 'artifact' as const,
        job_id: jobId,
        name: 'model.onnx',
        content_type: 'application/octet-stream',
      },
      ...{ size_bytes: size, sha256, created_at: new Date().toISOString() },
    }
    const end = {
      status: 'succeeded' as const,
      artifacts: [artifact],
      metrics: null,
      options: claim.job.options,
      warnings: [],
    }
    assert.ok(await finishJob(api.deps, claim, end))
    return id
  }
})
