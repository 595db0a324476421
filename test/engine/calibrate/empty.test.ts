/** Values without elements add nothing to a range: in every observer, in the calibrators of compat, in every run or in some. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createOrtCalibrator, extremesOf } from '../../../src/engine/calibrate/observers/onnxruntime/index.ts'
import { encodeNpz } from '../../../src/engine/data/write-npz.ts'
import { int } from '../../../src/engine/ir/build.ts'
import { int64, scalar } from '../../../src/engine/ir/tensor.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { buildModel } from '../../kit/model.ts'

/** Everything is positive and far from 0 behind `x`; of `h` a slice goes its own way, which is empty where `to` is 0. */
function sliced(spatial: boolean): Uint8Array {
  const m = buildModel()
  const axis = spatial ? 3 : 0
  const x = m.input('x', ['N', 4, 6, 6])
  const h = m.node('Conv', [x, m.weight('w1', [4, 4, 1, 1])], { name: 'first', output: 'h' })
  const ends = [0, 0, axis].map((number, i) => m.constant(`e${i}`, int64([1], [number])))
  const part = m.node('Slice', [h, ends[0]!, ends[1]!, ends[2]!], { name: 'slice' })
  const relu = m.node('Relu', [part], { name: 'relu' })
  const joined = m.node('Concat', [h, relu], { name: 'join', attributes: { axis: int(axis) } })
  m.output(m.node('Conv', [joined, m.weight('w2', [4, 4, 1, 1])], { name: 'second' }), 'y')
  return m.bytes()
}

/** Of x, the first rows are read, as many as `length` says. */
function rowsByLength(): Uint8Array {
  const m = buildModel()
  const [x, length] = [m.input('x', ['N', 3, 5, 8]), m.input('length', ['N'], 'int64')]
  const zero = m.constant('zero', int64([1], [0]))
  const cut = m.node('Slice', [x, zero, length, m.constant('axis', int64([1], [2]))], { output: 'cut' })
  const raised = m.node('Add', [m.node('Abs', [cut]), m.constant('five', scalar(5))], { output: 'raised' })
  const product = m.node('MatMul', [raised, m.weight('w', [8, 4])], { name: 'product' })
  const whole = m.node('MatMul', [x, m.weight('v', [8, 4])], { name: 'whole' })
  m.output(m.node('Concat', [whole, product], { name: 'join', attributes: { axis: int(2) } }), 'y')
  return m.bytes()
}

const OBSERVERS = ['minmax', 'moving_average', 'percentile', 'mse', 'entropy', 'kmeans']

describe('values that never have elements', () => {
  for (const [name, spatial] of [
    ['an image without width', true],
    ['a batch without images', false],
  ] as const)
    for (const target of ['cpu-int8', 'npu-qnn-htp', 'npu-ethos-u'])
      test(`${name} on ${target}`, async () => {
        const { report } = await runEngine(sliced(spatial), randomData(48, [4, 6, 6]), { target })
        assert.ok(report.metrics.fidelity!.sqnr_db > 30, `${report.metrics.fidelity!.sqnr_db} dB`)
        assert.ok(report.metrics.target_conformance.ok)
      })

  for (const observer of ['minmax', 'moving_average', 'percentile', 'entropy'])
    test(`compat, ${observer}`, async () => {
      const method = { type: 'static', compat: 'onnxruntime', observer }
      const { report } = await runEngine(sliced(true), randomData(48, [4, 6, 6]), { method })
      assert.ok(report.metrics.fidelity!.sqnr_db > 25, `${report.metrics.fidelity!.sqnr_db} dB`)
    })
})

/** Every other sample has no rows. */
function lengths(samples: number): Buffer {
  const data = Float32Array.from({ length: samples * 120 }, (_, i) => Math.sin(i))
  const length = BigInt64Array.from({ length: samples }, (_, i) => BigInt(i % 2 === 0 ? 0 : 4))
  return encodeNpz({
    x: { dtype: 'float32', shape: [samples, 1, 3, 5, 8], data },
    length: { dtype: 'int64', shape: [samples, 1], data: length },
  })
}

describe('values that have elements in some runs only', () => {
  for (const method of [
    ...OBSERVERS.map((observer) => ({ type: 'static', observer })),
    ...['minmax', 'percentile', 'entropy'].map((observer) => ({
      type: 'static',
      observer,
      compat: 'onnxruntime',
    })),
  ])
    test(JSON.stringify(method), async () => {
      const { report, plan } = await runEngine(rowsByLength(), lengths(48), { method })
      assert.ok(report.metrics.fidelity!.sqnr_db > 25, `${report.metrics.fidelity!.sqnr_db} dB`)
      assert.ok(plan.nodes.some(({ node, quantized }) => node === 'product' && quantized))
    })

  test('a mean is that of the runs that had elements', async () => {
    const method = { type: 'static', observer: 'minmax', bias_correction: true }
    const { report } = await runEngine(rowsByLength(), lengths(48), { method })
    assert.ok(report.metrics.fidelity!.sqnr_db > 25, `${report.metrics.fidelity!.sqnr_db} dB`)
  })
})

test('a calibrator that sees nothing between two batches gives the range of the two', () => {
  const batches = [Float32Array.of(3, 5), new Float32Array(), Float32Array.of(4, 7)]
  for (const name of ['minmax', 'moving_average', 'percentile', 'entropy'] as const) {
    const calibrators = [batches, [batches[0]!, batches[2]!]].map((seen) => {
      const calibrator = createOrtCalibrator(name)
      calibrator.open(seen.flatMap((values) => extremesOf(values) ?? []))
      for (const values of seen) calibrator.add(values)
      return calibrator.range()
    })
    assert.deepEqual(calibrators[0], calibrators[1], name)
  }
})
