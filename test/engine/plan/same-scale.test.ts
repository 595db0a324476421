/** Where a target wants one scale around an operator that moves numbers: there is one, and nothing converts to what it was already. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeNpz } from '../../../src/engine/data/write-npz.ts'
import { int, ints } from '../../../src/engine/ir/build.ts'
import { float32 } from '../../../src/engine/ir/tensor.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { buildModel } from '../../kit/model.ts'

const PLAIN = { type: 'static', observer: 'minmax', bias_correction: false }

describe('one scale', () => {
  test('rows of an embedding are in the format of the table', async () => {
    const m = buildModel()
    const rows = m.node('Gather', [m.weight('table', [50, 8]), m.input('x', ['N', 6], 'int64')], { name: 'rows' })
    const product = m.node('MatMul', [
      m.node('Transpose', [rows], { attributes: { perm: ints([0, 2, 1]) } }),
      m.weight('w', [6, 4]),
    ])
    m.output(product, 'y', ['N', 8, 4])
    const ids = {
      dtype: 'int64' as const,
      shape: [20, 6],
      data: BigInt64Array.from({ length: 120 }, (_, i) => BigInt((i * 7) % 50)),
    }
    for (const target of ['npu-ethos-u', 'edge-npu', 'npu-qnn-htp']) {
      const { model, report } = await runEngine(m.bytes(), encodeNpz({ x: ids }), { target, method: PLAIN })
      assert.deepEqual(report.metrics.target_conformance.violations, [], target)
      const again = [...model.graph.nodes].filter(
        ({ opType, inputs }) => opType === 'QuantizeLinear' && inputs[0]?.producer?.opType === 'DequantizeLinear',
      )
      assert.deepEqual(again, [], target)
    }
  })

  test('what a Concat reads has one scale also where a clamp takes its result', async () => {
    const m = buildModel()
    const x = m.input('x', ['N', 3, 6, 6])
    const [small, large] = [0.05, 2].map((spread, i) => m.node('Conv', [x, m.weight(`w${i}`, [4, 3, 1, 1], spread)]))
    const joined = m.node('Concat', [small!, large!], { name: 'joined', attributes: { axis: int(1) } })
    m.output(m.node('Relu', [joined]), 'y', ['N', 8, 6, 6])
    const { report } = await runEngine(m.bytes(), randomData(20, [3, 6, 6]), { target: 'npu-vitis-ai', method: PLAIN })
    assert.deepEqual(report.metrics.target_conformance.violations, [])
  })

  test('constants of what computes in float are in any form', async () => {
    const m = buildModel()
    const [scale, offset, mean] = ['scale', 'offset', 'mean'].map((name) => m.weight(name, [3]))
    const variance = m.constant('variance', float32([3], [1, 2, 3]))
    m.output(m.node('BatchNormalization', [m.input('x', ['N', 3, 6, 6]), scale!, offset!, mean!, variance]), 'y', [
      'N',
      3,
      6,
      6,
    ])
    const method = { type: 'static', compat: 'onnxruntime', observer: 'minmax' }
    const { report, model } = await runEngine(m.bytes(), randomData(20, [3, 6, 6]), { method })
    assert.deepEqual(report.metrics.target_conformance.violations, [])
    assert.ok([...model.graph.initializers].some(({ dtype }) => dtype === 'int32'))
  })
})
