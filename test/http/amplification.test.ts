/** Small requests cost little: counts, lengths and answers are bounded, and readings of uploads share one budget. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { saveModel } from '../../src/engine/onnx/index.ts'
import { openBudget } from '../../src/shared/budget.ts'
import { type Api, startApi } from '../kit/api.ts'
import { call, create, post, upload } from '../kit/client.ts'
import { buildModel, mlp } from '../kit/model.ts'
import { npy, zip } from '../kit/npz.ts'

interface Problem {
  code: string
  detail: string
  errors?: unknown[]
}

async function manyInputs(count: number, length = 5): Promise<Buffer> {
  const m = buildModel()
  for (let i = 0; i < count; i++)
    m.output(m.node('Relu', [m.input(`x${i}`.padEnd(length, '_'), ['N', 3])]), `y${i}`, ['N', 3])
  const directory = await mkdtemp(join(tmpdir(), 'fewbit-many-'))
  saveModel(m.model, join(directory, 'model.onnx'))
  const bytes = await readFile(join(directory, 'model.onnx'))
  await rm(directory, { recursive: true })
  return bytes
}

const arrays = (count: number, length: number) =>
  zip(
    Array.from({ length: count }, (_, i) => ({
      name: `${String(i).padEnd(length, 'n')}.npy`,
      bytes: npy(new Uint8Array(24)),
    })),
  )

describe('small requests', () => {
  let api: Api
  before(async () => {
    api = await startApi()
  })
  after(() => api.close())

  test('a model or a data set with too many or too long names is refused briefly', async () => {
    const uploads: [string, Buffer, string][] = [
      ['models', await manyInputs(3000), 'model_too_complex'],
      ['models', await manyInputs(2, 60_000), 'model_too_complex'],
      ['models', await manyInputs(600, 400), 'model_too_complex'],
      ['datasets', arrays(3000, 10), 'dataset_not_npz'],
      ['datasets', arrays(2, 60_000), 'dataset_array_invalid'],
    ]
    for (const [kind, bytes, code] of uploads) {
      const { status, body } = await upload<Problem>(`${api.url}/v1/${kind}`, bytes)
      assert.deepEqual([status, body.code], [422, code], body.detail)
      assert.ok(JSON.stringify(body).length < 5000)
    }
    assert.equal((await api.storedFiles()).length, 0)
  })

  test('many problems of one request are counted and the first are told', async () => {
    const model_id = await create(api.url, 'models', await manyInputs(300))
    const dataset_id = await create(api.url, 'datasets', arrays(300, 300))
    const input_shapes = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`no${i}`, [1]]))
    const request = {
      model_id,
      target: 'cpu-int8',
      method: { type: 'static' },
      calibration: { dataset_id },
      input_shapes,
    }
    const dry = await post<{ violations: unknown[]; violation_count: number }>(
      `${api.url}/v1/jobs?dry_run=true`,
      request,
    )
    assert.deepEqual([dry.status, dry.body.violations.length, dry.body.violation_count], [200, 20, 3300])
    const { status, body } = await post<Problem>(`${api.url}/v1/jobs`, request)
    assert.deepEqual([status, body.errors?.length], [422, 20])
    assert.match(body.detail, /and 3295 more$/)
    assert.ok(JSON.stringify(dry.body).length + JSON.stringify(body).length < 100_000)
  })

  test('a request that would make a large record is 413', async () => {
    const input_values = { x: Array.from({ length: 60_000 }, () => 1.5) }
    const { status } = await post(`${api.url}/v1/jobs`, { model_id: 'x', target: 'cpu-int8', input_values })
    assert.equal(status, 413)
  })

  test('progress rewrites little of a large job', async () => {
    const model_id = await create(api.url, 'models', mlp())
    const metadata = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`k${i}`, 'v'.repeat(500)]))
    const job = await post<{ id: string }>(`${api.url}/v1/jobs`, {
      model_id,
      target: 'cpu-int8',
      method: { type: 'dynamic' },
      metadata,
    })
    const size = (await api.deps.redis.hget(`fewbit:job:${job.body.id}`, 'state'))!.length
    assert.ok(size < 1000, `${size} bytes`)
    assert.equal((await call<{ metadata: object }>(`${api.url}/v1/jobs/${job.body.id}`)).status, 200)
  })
})

test('works share one budget, in turn, and whoever waits too long is told so', async () => {
  const budget = openBudget(10, 200)
  let used = 0
  let most = 0
  const work = (cost: number) =>
    budget.run(cost, async () => {
      used += Math.min(cost, 10)
      most = Math.max(most, used)
      await delay(5)
      used -= Math.min(cost, 10)
    })
  await Promise.all([4, 4, 4, 100, 1, 9, 10].map(work))
  assert.ok(most <= 10, String(most))
  const holding = budget.run(10, () => delay(400))
  await assert.rejects(work(1), (error: { code?: string }) => error.code === 'unavailable')
  await holding
  await work(10)
})
