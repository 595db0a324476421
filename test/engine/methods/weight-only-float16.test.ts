/** Weights of a few bits with scales and activations in half precision. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { int64 } from '../../../src/engine/ir/tensor.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { buildModel } from '../../kit/model.ts'
import { operatorsOf } from '../../kit/passes.ts'

/** Two products with biases around an activation, and a table that rows are picked from. */
function network(): Uint8Array {
  const m = buildModel(17)
  const x = m.input('x', ['N', 64])
  const row = m.node('Gather', [m.weight('table', [128, 64]), m.constant('ids', int64([1], [3]))], { name: 'rows' })
  const first = m.node('Gemm', [m.node('Add', [x, row]), m.weight('w1', [64, 128]), m.weight('b1', [128])], {
    name: 'p1',
  })
  m.output(m.node('MatMul', [m.node('Relu', [first]), m.weight('w2', [128, 64])], { name: 'p2' }), 'y', ['N', 64])
  return m.bytes()
}

const recipe = (more: object = {}) => ({
  target: 'cpu-int4',
  method: { type: 'weight_only', activations: 'float16', ...more },
})

for (const format of ['operators', 'qdq']) {
  test(`4-bit weights in the form ${format} have no Cast but at the borders`, async () => {
    const { report, model } = await runEngine(network(), randomData(16, [64]), recipe({ format }))
    assert.equal(operatorsOf(model).filter((name) => name === 'Cast').length, 2)
    const [half, single] = ['float16', 'float32'].map((dtype) =>
      [...model.graph.initializers].filter((value) => value.dtype === dtype),
    )
    assert.ok(half!.length >= 3, 'scales and biases are float16')
    assert.deepEqual(single, [])
    assert.ok(report.metrics.fidelity!.sqnr_db >= 14, `${report.metrics.fidelity!.sqnr_db} dB`)
  })
}

test('inputs and outputs are half precision where the request says so', async () => {
  const { model } = await runEngine(network(), randomData(16, [64]), recipe({ keep_io_types: false }))
  const ends = [...model.graph.inputs, ...model.graph.outputs].map(({ dtype }) => dtype)
  assert.deepEqual(ends, ['float16', 'float16'])
  assert.ok(!operatorsOf(model).includes('Cast'))
})

test('without activations in half precision nothing of it is', async () => {
  const { model } = await runEngine(network(), randomData(16, [64]), {
    target: 'cpu-int4',
    method: { type: 'weight_only' },
  })
  assert.ok([...model.graph.initializers].every(({ dtype }) => dtype !== 'float16'))
})
