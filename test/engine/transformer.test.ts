/** A transformer block of fixed length in every method: ONNX Runtime fuses more of it once it is quantized, and must find no name of its own taken. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ints } from '../../src/engine/ir/build.ts'
import type { Value } from '../../src/engine/ir/graph.ts'
import { float32, int64 } from '../../src/engine/ir/tensor.ts'
import { randomData } from '../kit/data.ts'
import { runEngine } from '../kit/engine.ts'
import { buildModel } from '../kit/model.ts'

const [LENGTH, WIDTH, HEADS] = [12, 64, 4]

/** x [1, 12, 64] → two blocks of attention and a feed-forward network, as exporters write them. */
function encoder(): Uint8Array {
  const m = buildModel(17)
  const constant = (name: string, numbers: readonly number[]) => m.constant(name, int64([numbers.length], numbers))
  const ones = () => m.constant('gamma', float32([WIDTH], new Float32Array(WIDTH).fill(1)))
  const norm = (x: Value) => m.node('LayerNormalization', [x, ones(), m.weight('beta', [WIDTH], 0.1)])
  const linear = (x: Value, from: number, to: number) =>
    m.node('Add', [m.weight('bias', [to], 0.1), m.node('MatMul', [x, m.weight('w', [from, to], 0.1)])])
  const heads = (x: Value, perm: readonly number[]) =>
    m.node('Transpose', [m.node('Reshape', [x, constant('heads', [1, LENGTH, HEADS, WIDTH / HEADS])])], {
      attributes: { perm: ints(perm) },
    })
  const attention = (x: Value) => {
    const [q, k, v] = [0, 1, 2].map(() => linear(x, WIDTH, WIDTH))
    const scores = m.node('MatMul', [heads(q!, [0, 2, 1, 3]), heads(k!, [0, 2, 3, 1])])
    const mixed = m.node('MatMul', [m.node('Softmax', [scores]), heads(v!, [0, 2, 1, 3])])
    const joined = m.node('Transpose', [mixed], { attributes: { perm: ints([0, 2, 1, 3]) } })
    return linear(m.node('Reshape', [joined, constant('width', [1, LENGTH, WIDTH])]), WIDTH, WIDTH)
  }
  let x = norm(m.input('x', [1, LENGTH, WIDTH]))
  for (let block = 0; block < 2; block++) {
    x = norm(m.node('Add', [attention(x), x]))
    const inner = m.node('Relu', [linear(x, WIDTH, 2 * WIDTH)])
    x = norm(m.node('Add', [linear(inner, 2 * WIDTH, WIDTH), x]))
  }
  m.output(x, 'y')
  return m.bytes()
}

const JOBS = [
  { target: 'cpu-int8', method: { type: 'static' } },
  { target: 'cpu-int8', method: { type: 'static', compat: 'onnxruntime' } },
  { target: 'cpu-int8', method: { type: 'dynamic' } },
  { target: 'gpu-tensorrt-int8', method: { type: 'static' } },
  { target: 'npu-openvino', method: { type: 'static' } },
  { target: 'cpu-int4', method: { type: 'weight_only' } },
  { target: 'gpu-float16', method: { type: 'float16' } },
]

for (const { target, method } of JOBS) {
  test(`an encoder of fixed length: ${target}, ${Object.values(method).join(', ')}`, async () => {
    const data = method.type === 'static' ? randomData(48, [LENGTH, WIDTH]) : null
    const { report } = await runEngine(encoder(), data, { target, method })
    assert.ok(report.metrics.fidelity!.sqnr_db > 15, String(report.metrics.fidelity!.sqnr_db))
  })
}
