/** Dynamic quantization operator by operator: integers are there, and the outputs stay close. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { int, string } from '../../../src/engine/ir/build.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { buildModel } from '../../kit/model.ts'

const DYNAMIC = { method: { type: 'dynamic' } }
const HIDDEN = 16
const FEATURES = 12
const STEPS = 5

/** x [5,1,12] → y [5,directions,1,16]; the sequence is the first axis. */
function recurrent(direction: 'forward' | 'bidirectional'): Uint8Array {
  const m = buildModel()
  const directions = direction === 'forward' ? 1 : 2
  const x = m.input('x', [STEPS, 1, FEATURES])
  const weights = [
    m.weight('w', [directions, 4 * HIDDEN, FEATURES]),
    m.weight('r', [directions, 4 * HIDDEN, HIDDEN]),
    m.weight('b', [directions, 8 * HIDDEN]),
  ]
  const y = m.node('LSTM', [x, ...weights], {
    name: 'lstm',
    attributes: { hidden_size: int(HIDDEN), direction: string(direction) },
  })
  m.output(y, 'y', [STEPS, directions, 1, HIDDEN])
  return m.bytes()
}

const operators = (model: Awaited<ReturnType<typeof runEngine>>['model']) =>
  [...model.graph.nodes].map(({ opType }) => opType)

describe('dynamic quantization', () => {
  for (const direction of ['forward', 'bidirectional'] as const) {
    for (const per_channel of [true, false]) {
      test(`LSTM, ${direction}, ${per_channel ? 'per channel' : 'per tensor'}`, async () => {
        const { model, report } = await runEngine(recurrent(direction), randomData(20, [STEPS, 1, FEATURES]), {
          method: { type: 'dynamic', per_channel },
        })
        assert.ok(operators(model).includes('DynamicQuantizeLSTM'))
        assert.ok(report.metrics.fidelity!.sqnr_db > 25, `${report.metrics.fidelity!.sqnr_db} dB`)
        assert.ok(report.metrics.size_bytes.ratio < 0.5)
      })
    }
  }

  test('a table is stored as bytes, and only what was picked is converted', async () => {
    const m = buildModel()
    const ids = m.input('ids', ['N', 4], 'int64')
    const rows = m.node('Gather', [m.weight('table', [300, 32]), ids], { name: 'pick' })
    m.output(m.node('MatMul', [rows, m.weight('w', [32, 8])], { name: 'm' }), 'y', ['N', 4, 8])
    const { model, report } = await runEngine(m.bytes(), null, DYNAMIC)
    const table = [...model.graph.initializers].find(({ name }) => name === 'table_quantized')
    assert.equal(table?.tensor?.dtype, 'uint8')
    assert.ok(report.metrics.fidelity!.sqnr_db > 30)
  })

  test('Gemm with a transposed weight and a bias', async () => {
    const m = buildModel()
    const x = m.input('x', ['N', 8])
    const y = m.node('Gemm', [x, m.weight('w', [6, 8]), m.weight('b', [6])], {
      name: 'g',
      attributes: { transB: int(1) },
    })
    m.output(y, 'y', ['N', 6])
    const { model, report } = await runEngine(m.bytes(), randomData(10, [8]), DYNAMIC)
    assert.ok(operators(model).includes('MatMulInteger'))
    assert.ok(report.metrics.fidelity!.sqnr_db > 30)
  })

  test('what it leaves alone has a reason', async () => {
    const m = buildModel()
    const x = m.input('x', ['N', 8])
    const product = m.node('MatMul', [x, m.weight('w', [8, 8])], { name: 'm' })
    m.output(m.node('Softmax', [product], { name: 's' }), 'y', ['N', 8])
    const { plan } = await runEngine(m.bytes(), null, DYNAMIC)
    const float = plan.nodes.filter(({ quantized }) => !quantized)
    assert.ok(float.length > 0 && float.every(({ reason }) => reason.length > 0))
  })
})
