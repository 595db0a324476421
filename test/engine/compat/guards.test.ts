/** What no golden file shows: recurrent layers, and places where ONNX Runtime's rewrites would change the results. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { quantizeDynamicLikeOrt } from '../../../src/engine/compat/operators/dynamic.ts'
import { quantizeQOperatorLikeOrt } from '../../../src/engine/compat/operators/qoperator.ts'
import { quantizeQdqLikeOrt } from '../../../src/engine/compat/qdq/index.ts'
import { int } from '../../../src/engine/ir/build.ts'
import { check } from '../../../src/engine/ir/check.ts'
import type { Model } from '../../../src/engine/ir/graph.ts'
import { int64, scalar } from '../../../src/engine/ir/tensor.ts'
import { encodeModel } from '../../../src/engine/onnx/index.ts'
import { openRuntime } from '../../../src/engine/runtime/ort.ts'
import type { RunTensor } from '../../../src/engine/runtime/runtime.ts'
import { buildModel } from '../../kit/model.ts'
import { type Outputs, sqnr } from './runs.ts'
import { histogram } from './tables.ts'

const SYMMETRIC = { min: -4, max: 4 }
const POSITIVE = { min: 0, max: 4 }

async function run(model: Model, dims: number[]): Promise<Outputs> {
  check(model)
  const folder = mkdtempSync(join(tmpdir(), 'fewbit-compat-'))
  try {
    const path = join(folder, 'model.onnx')
    writeFileSync(path, encodeModel(model))
    const session = await openRuntime(1).load(path, { optimization: 'all' })
    const count = dims.reduce((a, b) => a * b, 1)
    const x: RunTensor = {
      dtype: 'float32',
      dims,
      data: Float32Array.from({ length: count }, (_, i) => Math.sin(i * 2.3)),
    }
    const results = await session.run({ x })
    await session.release()
    return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Array.from(data, Number)]))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function recurrent(): Model {
  const { model, input, weight, node, output } = buildModel()
  const x = input('x', [4, 2, 3])
  const y = node('LSTM', [x, weight('w', [1, 20, 3], 0.5), weight('r', [1, 20, 5], 0.5)], {
    attributes: { hidden_size: int(5) },
  })
  output(y, 'y', [4, 1, 2, 5])
  return model
}

for (const perChannel of [false, true])
  test(`LSTM with int8 weights, ${perChannel ? 'per row' : 'per direction'}`, async () => {
    const model = recurrent()
    quantizeDynamicLikeOrt(model, { perChannel })
    assert.deepEqual(histogram(model), { 'com.microsoft:DynamicQuantizeLSTM': 1 })
    const quality = sqnr(await run(recurrent(), [4, 2, 3]), await run(model, [4, 2, 3]))
    assert.ok(quality > 25, `${quality} dB`)
  })

/** A clamp behind a product and perhaps a Reshape. */
function clamped(low: number | null, reshaped: boolean): Model {
  const { model, input, weight, constant, node, output } = buildModel()
  const product = node('MatMul', [input('x', [4, 8]), weight('w', [8, 6], 0.5)], { output: 'product' })
  const shape = constant('shape', int64([2], [6, 4]))
  const moved = reshaped ? node('Reshape', [product, shape], { output: 'moved' }) : product
  const bounds = low === null ? [] : [constant('low', scalar(low))]
  output(node(low === null ? 'Relu' : 'Clip', [moved, ...bounds], { output: 'y' }), 'y', reshaped ? [6, 4] : [4, 6])
  return model
}

const ranges = new Map(Object.entries({ x: { min: -1, max: 1 }, product: SYMMETRIC, moved: SYMMETRIC, y: POSITIVE }))

const CLAMPS = [
  { what: 'Relu behind another tensor’s parameters', low: null, reshaped: true, quantize: quantizeQOperatorLikeOrt },
  { what: 'Clip above zero', low: 0.5, reshaped: false, quantize: quantizeQdqLikeOrt },
  { what: 'Clip above zero', low: 0.5, reshaped: false, quantize: quantizeQOperatorLikeOrt },
]

for (const { what, low, reshaped, quantize } of CLAMPS)
  test(`${what} stays (${quantize.name})`, async () => {
    const model = clamped(low, reshaped)
    quantize(model, ranges, { activationType: 'uint8' })
    assert.equal(histogram(model)[low === null ? 'Relu' : 'Clip'], 1)
    const quality = sqnr(await run(clamped(low, reshaped), [4, 8]), await run(model, [4, 8]))
    assert.ok(quality > 25, `${quality} dB`)
  })

/** Two layers with one bias and inputs of different scales. */
function siblings(): Model {
  const { model, input, weight, node, output } = buildModel()
  const bias = weight('bias', [6])
  const x = input('x', [4, 6])
  const first = node('Gemm', [x, weight('w1', [6, 6]), bias], { output: 'first' })
  output(node('Gemm', [first, weight('w2', [6, 6]), bias], { output: 'y' }), 'y', [4, 6])
  return model
}

for (const quantize of [quantizeQdqLikeOrt, quantizeQOperatorLikeOrt])
  test(`a shared bias has a scale per layer (${quantize.name})`, async () => {
    const float = await run(siblings(), [4, 6])
    const largest = Math.max(...float.y!.map(Math.abs))
    const model = siblings()
    const known = { x: { min: -1, max: 1 }, first: { min: -8, max: 8 }, y: { min: -largest, max: largest } }
    quantize(model, new Map(Object.entries(known)), { activationType: 'uint8' })
    const quality = sqnr(float, await run(model, [4, 6]))
    assert.ok(quality > 25, `${quality} dB`)
  })

test('old operator sets are refused', () => {
  const model = clamped(null, false)
  model.opsets.set('', 9)
  assert.throws(() => quantizeDynamicLikeOrt(model), /needs 11/)
  assert.throws(() => quantizeQdqLikeOrt(model, ranges), /needs 10/)
})
