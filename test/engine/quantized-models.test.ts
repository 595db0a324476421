/** Models that are quantized already, in every form and for every method; and weights that are no numbers. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { float32, scalar, tensorOf, view } from '../../src/engine/ir/tensor.ts'
import { encodeModel } from '../../src/engine/onnx/index.ts'
import { FewbitError } from '../../src/shared/errors.ts'
import { randomData } from '../kit/data.ts'
import { runEngine } from '../kit/engine.ts'
import { buildModel, convNet, mlp } from '../kit/model.ts'

const DATA = randomData(24, [8])
const LARGE = randomData(24, [64])

/** Two products of 64 × 64. */
function float(change: (values: Float32Array) => void = () => {}): Uint8Array {
  const m = buildModel()
  const x = m.input('x', ['N', 64])
  const w = m.weight('w', [64, 64])
  const values = view(w.tensor!, 'float32').slice()
  change(values)
  w.tensor = float32([64, 64], values)
  const hidden = m.node('Relu', [m.node('MatMul', [x, w], { name: 'first' })])
  m.output(m.node('MatMul', [hidden, m.weight('v', [64, 64])], { name: 'second' }), 'y', ['N', 64])
  return m.bytes()
}

const made = async (recipe: Record<string, unknown>): Promise<Uint8Array> => {
  const { model } = await runEngine(float(), LARGE, recipe)
  return encodeModel(model)
}

const FORMS = {
  QDQ: {},
  'QDQ of an NPU': { target: 'npu-qnn-htp' },
  QOperator: {
    method: {
      type: 'static',
      compat: 'onnxruntime',
      observer: 'minmax',
      quantize_static: { quant_format: 'QOperator' },
    },
  },
  dynamic: { method: { type: 'dynamic' } },
}

const IN_BLOCKS = { target: 'cpu-int4', method: { type: 'weight_only' } }

const FLOAT16 = { target: 'gpu-float16', method: { type: 'float16' } }
const METHODS = [
  {},
  { target: 'npu-qnn-htp' },
  { target: 'edge-npu' },
  { method: { type: 'dynamic' } },
  IN_BLOCKS,
  FLOAT16,
]

const refusalOf = async (
  model: Uint8Array,
  data: Buffer | null,
  recipe: Record<string, unknown>,
): Promise<FewbitError> => {
  const error = await runEngine(model, data, recipe).then(
    () => new Error('it was not refused'),
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof FewbitError, String(error))
  return error
}

describe('models that are quantized already', () => {
  const refusedBy = async (model: Uint8Array, methods: readonly Record<string, unknown>[]) => {
    for (const method of methods) {
      const { code, message, extra } = await refusalOf(model, LARGE, method)
      assert.equal(code, 'already_quantized')
      assert.match(message, /quantized already: node ".+" \(\w+\)/)
      assert.match(extra.hint ?? '', /float model/)
    }
  }

  for (const [form, recipe] of Object.entries(FORMS))
    test(`${form}: refused by each method`, async () => refusedBy(await made(recipe), METHODS))

  test('weights in blocks: refused by all but float16, which makes the rest half precision', async () => {
    const model = await made(IN_BLOCKS)
    await refusedBy(
      model,
      METHODS.filter((method) => method !== FLOAT16),
    )
    const { report, model: half } = await runEngine(model, LARGE, FLOAT16)
    assert.ok([...half.graph.initializers].every(({ dtype }) => dtype !== 'float32'))
    assert.ok(report.metrics.fidelity!.sqnr_db > 30, `${report.metrics.fidelity!.sqnr_db} dB`)
  })

  test('compat does what the tool does, and says so', async () => {
    const model = await made({ method: { type: 'dynamic' }, exclude: { nodes: ['second'] } })
    const { report } = await runEngine(model, null, { method: { type: 'dynamic', compat: 'onnxruntime' } })
    assert.ok(report.warnings.some(({ code, detail }) => code === 'already_quantized' && /float model/.test(detail)))
  })

  test('an output that is rounded to bytes for the caller makes no quantized model', async () => {
    const m = buildModel()
    const y = m.node('MatMul', [m.input('x', ['N', 64]), m.weight('w', [64, 64])])
    const bytes = m.node('QuantizeLinear', [
      y,
      m.constant('s', scalar(0.1)),
      m.constant('z', tensorOf('uint8', [], Uint8Array.of(9))),
    ])
    m.output(bytes, 'bytes', ['N', 64], 'uint8')
    assert.equal(
      (await runEngine(m.bytes(), LARGE, { method: { type: 'dynamic' } })).report.metrics.coverage.nodes_quantized,
      1,
    )
  })

  test('float models are none', async () => {
    for (const model of [mlp(), convNet()])
      await assert.doesNotReject(runEngine(model, null, { target: 'gpu-float16', method: { type: 'float16' } }))
    await assert.doesNotReject(runEngine(mlp(), DATA))
  })
})

const BROKEN = { NaN: Number.NaN, infinity: Number.POSITIVE_INFINITY, '−infinity': Number.NEGATIVE_INFINITY }
const WITHOUT_DATA = [
  { method: { type: 'dynamic' } },
  { target: 'cpu-int4', method: { type: 'weight_only' } },
  { target: 'cpu-int4', method: { type: 'weight_only', format: 'qdq' } },
]
const QUANTIZING = [{}, { target: 'npu-qnn-htp' }, ...WITHOUT_DATA]

describe('weights that are no numbers', () => {
  for (const [what, number] of Object.entries(BROKEN))
    test(`${what}: the layer stays float, the others do not`, async () => {
      const model = float((values) => values.fill(number, 70, 71))
      for (const recipe of WITHOUT_DATA) {
        const { plan } = await runEngine(model, null, recipe)
        const found = Object.fromEntries(plan.nodes.map(({ node, quantized, reason }) => [node, { quantized, reason }]))
        assert.deepEqual(found.first, { quantized: false, reason: 'its constant "w" holds NaN or infinity' })
        assert.equal(found.second?.quantized, true)
      }
    })

  test('where nothing else is left, the refusal names the weight', async () => {
    const m = buildModel()
    const w = m.constant('w', float32([64, 64], new Float32Array(4096).fill(Number.NaN, 0, 1)))
    m.output(m.node('MatMul', [m.input('x', ['N', 64]), w], { name: 'only' }), 'y', ['N', 64])
    for (const recipe of QUANTIZING) {
      const { code, message } = await refusalOf(m.bytes(), LARGE, recipe)
      assert.equal(code, 'nothing_to_quantize')
      assert.match(message, /"only".*"w" holds NaN or infinity/)
    }
  })

  test('compat refuses, as the tool does', async () => {
    const model = float((values) => values.fill(Number.NaN, 70, 71))
    for (const method of [
      { type: 'dynamic', compat: 'onnxruntime' },
      { type: 'static', compat: 'onnxruntime', observer: 'minmax' },
    ]) {
      const { code, message } = await refusalOf(model, LARGE, { method })
      assert.equal(code, 'model_tensor_invalid')
      assert.match(message, /"first".*holds NaN or infinity/)
    }
  })
})
