/** Models that come in half or double precision: quantized as any other, inputs and outputs as they were. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { int } from '../../../src/engine/ir/build.ts'
import { toFloat16 } from '../../../src/engine/ir/float16.ts'
import { float32, type Tensor, tensorOf, view } from '../../../src/engine/ir/tensor.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { buildModel } from '../../kit/model.ts'

const AS: Record<string, (tensor: Tensor) => Tensor> = {
  float16: (tensor) => tensorOf('float16', tensor.shape, toFloat16(view(tensor, 'float32'))),
  float64: (tensor) => tensorOf('float64', tensor.shape, Float64Array.from(view(tensor, 'float32'))),
}

/** Two layers in another precision: x [N,16] → y [N,16]. */
function network(dtype: 'float16' | 'float64'): Uint8Array {
  const m = buildModel()
  const x = m.input('x', ['N', 16], dtype)
  const constant = (name: string, shape: number[]) => {
    const value = m.weight(name, shape)
    value.tensor = AS[dtype]!(value.tensor!)
    value.dtype = dtype
    return value
  }
  const hidden = m.node('Relu', [m.node('MatMul', [x, constant('w1', [16, 256])], { name: 'm1' })], { name: 'relu' })
  const whole = m.node('Cast', [hidden], { name: 'whole', attributes: { to: int(1) } })
  const back = m.node('Cast', [whole], { name: 'back', attributes: { to: int(dtype === 'float16' ? 10 : 11) } })
  m.output(m.node('MatMul', [back, constant('w2', [256, 16])], { name: 'm2' }), 'y', ['N', 16], dtype)
  return m.bytes()
}

describe('other precisions', () => {
  for (const dtype of ['float16', 'float64'] as const) {
    for (const [type, target] of [
      ['static', 'cpu-int8'],
      ['dynamic', 'cpu-int8'],
      ['static', 'npu-qnn-htp'],
      ['weight_only', 'cpu-int4'],
    ] as const) {
      test(`${dtype}, ${type} for ${target}`, async () => {
        const method = type === 'weight_only' ? { type, block_size: 16, bits: 8 } : { type }
        const { model, report } = await runEngine(network(dtype), randomData(60, [16]), { target, method })
        assert.deepEqual([model.graph.inputs[0]!.dtype, model.graph.outputs[0]!.dtype], [dtype, dtype])
        assert.ok(report.metrics.coverage.nodes_quantized >= 2)
        assert.ok(report.metrics.fidelity!.sqnr_db > 25, `${report.metrics.fidelity!.sqnr_db} dB`)
      })
    }
  }

  test('float32 models are not touched', async () => {
    const m = buildModel()
    const x = m.input('x', ['N', 8])
    m.output(
      m.node('MatMul', [x, m.constant('w', float32([8, 4], new Float32Array(32).fill(0.1)))], { name: 'm' }),
      'y',
    )
    const { model } = await runEngine(m.bytes(), randomData(40, [8]))
    assert.ok([...model.graph.nodes].every(({ opType }) => opType !== 'Cast'))
  })
})
