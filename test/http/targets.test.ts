/** Targets and profiles over HTTP while no worker runs: what a job may name, and what is refused before there is one. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Api, startApi } from '../kit/api.ts'
import { call, create, type Job, post } from '../kit/client.ts'
import { randomData } from '../kit/data.ts'
import { buildModel, mlp } from '../kit/model.ts'

interface Dry {
  valid: boolean
  options: { target: unknown } | null
  violations: { pointer: string; code: string; detail: string }[]
}
interface Problem {
  code: string
  errors?: { pointer: string; detail: string }[]
}

/** Two free dimensions: x [N,L,8] → y [N,L,4]. */
function sequence(): Uint8Array {
  const m = buildModel()
  const x = m.input('x', ['N', 'L', 8])
  m.output(m.node('MatMul', [x, m.weight('w', [8, 4])], { name: 'm' }), 'y', ['N', 'L', 4])
  return m.bytes()
}

describe('targets over HTTP', () => {
  let api: Api
  let model_id: string
  let sequence_id: string
  let dataset_id: string
  before(async () => {
    api = await startApi()
    model_id = await create(api.url, 'models', mlp())
    sequence_id = await create(api.url, 'models', sequence())
    dataset_id = await create(api.url, 'datasets', randomData(20, [8]))
  })
  after(() => api.close())

  const dry = async (request: object) =>
    (await post<Dry & Problem>(`${api.url}/v1/jobs?dry_run=true`, { method: { type: 'static' }, ...request })).body
  const pointersOf = async (request: object) => (await dry(request)).violations.map(({ pointer }) => pointer)

  test('a built-in target can be fetched, renamed and sent back; the job remembers it whole', async () => {
    const { body: target } = await call<Record<string, unknown>>(`${api.url}/v1/targets/npu-qnn-htp`)
    const profile = { ...target, id: 'my-npu', weight: { ...(target.weight as object), bits: 6 } }
    const { body } = await post<Job>(`${api.url}/v1/jobs`, {
      model_id,
      target: profile,
      method: { type: 'static' },
      calibration: { dataset_id },
    })
    assert.deepEqual(body.options.target, profile)
    const { body: found } = await call<{ data: Job[] }>(`${api.url}/v1/jobs?target=my-npu`)
    assert.deepEqual(
      found.data.map(({ id }) => id),
      [body.id],
    )
  })

  test('a profile that is wrong is told in its own words', async () => {
    const wrong = {
      id: 'mine',
      activation: { dtype: 'int8', symmetric: true, bits: 12 },
      weight: { dtype: 'int8', symmetric: true },
    }
    const { errors } = await dry({ model_id, target: wrong })
    assert.match(errors![0]!.detail, /more bits than its dtype holds/)
    const misspelt = {
      ...wrong,
      activation: { dtype: 'int8', symmetric: true },
      operators: { Conv: {}, Cnov: {}, 'a/b': {} },
    }
    const { violations } = await dry({ model_id, target: misspelt })
    assert.deepEqual(
      violations
        .filter(({ detail }) => /is no operator that can compute in integers/.test(detail))
        .map((v) => v.pointer),
      ['/target/operators/Cnov', '/target/operators/a~1b'],
    )
    const unknown = await dry({ model_id, target: 'tpu' })
    assert.match(unknown.errors![0]!.detail, /not a target: cpu-int8, /)
    const partly = await dry({ model_id, target: { id: 'mine' } })
    assert.match(partly.errors![0]!.detail, /profile\.activation: /)
  })

  test('free dimensions, and shapes that contradict the model, are refused before there is a job', async () => {
    const compile = { model_id: sequence_id, target: 'edge-npu' }
    assert.deepEqual(await pointersOf(compile), ['/input_shapes/x'])
    assert.deepEqual(await pointersOf({ ...compile, input_shapes: { x: [1, 16, 8] } }), [])
    assert.deepEqual(await pointersOf({ ...compile, input_shapes: { x: [1, 16, 9] } }), ['/input_shapes/x'])
    assert.deepEqual(await pointersOf({ ...compile, input_shapes: { y: [1] } }), ['/input_shapes/y', '/input_shapes/x'])
    assert.deepEqual(await pointersOf({ model_id: sequence_id, target: 'cpu-int8' }), [])
    assert.deepEqual(await pointersOf({ model_id, target: 'edge-npu' }), [], 'a free batch becomes 1')
  })

  test('values of inputs that the model does not have, or that do not fill them, are refused before there is a job', async () => {
    const job = { model_id, target: 'cpu-int8' }
    assert.deepEqual(await pointersOf({ ...job, input_values: { rate: 16000 } }), ['/input_values/rate'])
    assert.deepEqual(await pointersOf({ ...job, input_values: { x: [1, 2] } }), ['/input_values/x'])
    assert.deepEqual(await pointersOf({ ...job, input_values: { x: new Array(3 * 16 * 16).fill(0) } }), [])
  })

  test('wide activations only where the target has them', async () => {
    const wide = { method: { type: 'static', activation_bits: 16 }, model_id }
    assert.deepEqual(await pointersOf({ ...wide, target: 'npu-qnn-htp' }), [])
    assert.deepEqual(await pointersOf({ ...wide, target: 'cpu-int8' }), ['/method/activation_bits'])
  })
})
