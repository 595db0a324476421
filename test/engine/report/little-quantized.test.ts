/** A job that quantized little, or missed what was asked of it, says so, with shares and reasons. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ints } from '../../../src/engine/ir/build.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { buildModel, convNet, mlp } from '../../kit/model.ts'

/** A 3 × 3 convolution, which dynamic quantization leaves, with 99 % of the weights, and a small product. */
function mostlyConvolution(): Uint8Array {
  const m = buildModel(17)
  const x = m.input('x', ['N', 8, 8, 8])
  const attributes = { pads: ints([1, 1, 1, 1]) }
  const y = m.node('Conv', [x, m.weight('c.w', [64, 8, 3, 3])], { name: 'c', attributes })
  const pooled = m.node('Flatten', [m.node('GlobalAveragePool', [m.node('Relu', [y])])])
  m.output(m.node('MatMul', [pooled, m.weight('head.w', [64, 4])], { name: 'head' }), 'y')
  return m.bytes()
}

test('little_quantized names the share, the largest layer and its reason', async () => {
  const { report } = await runEngine(mostlyConvolution(), randomData(16, [8, 8, 8]), { method: { type: 'dynamic' } })
  const found = report.warnings.find(({ code }) => code === 'little_quantized')
  assert.match(found!.detail, /^only 5\.3 % of the weights' bytes were quantized/)
  assert.match(found!.detail, /"c" with 95 % of the bytes \(Conv: /)
})

test('a model that is quantized has no such warning', async () => {
  const { report } = await runEngine(convNet(), randomData(32, [3, 16, 16]))
  assert.ok(!report.warnings.some(({ code }) => code === 'little_quantized'))
})

test('a goal of fidelity that nothing reaches is told with how near it came', async () => {
  const method = { type: 'static', min_sqnr_db: 100 }
  const { report, plan } = await runEngine(mlp(), randomData(64, [8]), { method })
  const found = report.warnings.find(({ code }) => code === 'fidelity_goal_missed')
  assert.match(found!.detail, /min_sqnr_db asks for 100 dB; the outputs reach \d+\.\d dB/)
  assert.ok(plan.nodes.every(({ reason }) => !reason.includes('is tried')))
})

test('where the target has wide activations, a goal is reached with them everywhere', async () => {
  const recipe = { target: 'npu-qnn-htp', method: { type: 'static', min_sqnr_db: 55 } }
  const { report } = await runEngine(convNet(), randomData(64, [3, 16, 16]), recipe)
  const plain = await runEngine(convNet(), randomData(64, [3, 16, 16]), { target: 'npu-qnn-htp' })
  assert.ok(report.metrics.fidelity!.sqnr_db > plain.report.metrics.fidelity!.sqnr_db)
})
