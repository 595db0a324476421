/** Networks that 8 bits ruin in several places at once are rescued unasked, where the target has something to flee to. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { int, ints } from '../../../../src/engine/ir/build.ts'
import { float32, int64 } from '../../../../src/engine/ir/tensor.ts'
import { randomData } from '../../../kit/data.ts'
import { runEngine } from '../../../kit/engine.ts'
import { type Builder, buildModel } from '../../../kit/model.ts'

const WIDTH = 16

/** Normalization as exporters write it out: the variance is a small difference of large squares, and its root divides. */
function unstable(): Uint8Array {
  const m: Builder = buildModel()
  const x = m.input('x', [1, WIDTH])
  const projected = m.node('MatMul', [x, m.weight('w1', [WIDTH, WIDTH], 3)], { name: 'first' })
  const shifted = m.node('Add', [projected, m.constant('shift', float32([1], [600]))], { name: 'shifted' })
  const squares = m.node('Mul', [shifted, shifted], { name: 'squares' })
  const mean = (value: typeof x, name: string) =>
    m.node('ReduceMean', [value], { name, attributes: { axes: ints([1]), keepdims: int(1) } })
  const center = mean(shifted, 'center')
  const squared = m.node('Mul', [center, center], { name: 'squared' })
  const variance = m.node('Sub', [mean(squares, 'power'), squared], { name: 'variance' })
  const floor = m.node('Max', [variance, m.constant('floor', float32([1], [1]))], { name: 'floor' })
  const deviation = m.node('Sqrt', [floor], { name: 'deviation' })
  const centered = m.node('Sub', [shifted, center], { name: 'centered' })
  const normal = m.node('Div', [centered, deviation], { name: 'normal' })
  const flat = m.node('Reshape', [normal, m.constant('shape', int64([2], [1, WIDTH]))], { name: 'flat' })
  m.output(m.node('MatMul', [flat, m.weight('w2', [WIDTH, 8])], { name: 'last' }), 'y', [1, 8])
  return m.bytes()
}

describe('rescue', () => {
  const data = randomData(120, [WIDTH])
  for (const target of ['npu-qnn-htp', 'npu-openvino'] as const) {
    test(`${target}: layers leave the 8-bit integers until the outputs follow`, async () => {
      const { report } = await runEngine(unstable(), data, { target })
      assert.ok(
        report.search.some(({ step, kept }) => /layers (float|with wide)/.test(step) && kept),
        JSON.stringify(report.search),
      )
      assert.ok(report.metrics.fidelity!.sqnr_db > 12, `${report.metrics.fidelity!.sqnr_db} dB`)
      assert.deepEqual(report.metrics.target_conformance.violations, [])
      assert.ok(report.warnings.every(({ code }) => code !== 'low_fidelity'))
    })
  }

  test('edge-npu has nowhere to flee to: the artifact says so', async () => {
    const { report } = await runEngine(unstable(), data, { target: 'edge-npu' })
    assert.ok(report.warnings.some(({ code }) => code === 'low_fidelity' || code === 'target_violated'))
  })
})
