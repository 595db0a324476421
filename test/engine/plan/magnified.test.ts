/** Averages under a root: what an integer GPU would round to zero stays float. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeNpz } from '../../../src/engine/data/write-npz.ts'
import { int, ints } from '../../../src/engine/ir/build.ts'
import type { Value } from '../../../src/engine/ir/graph.ts'
import { float32 } from '../../../src/engine/ir/tensor.ts'
import { MAGNIFIED } from '../../../src/engine/plan/magnified.ts'
import { runEngine } from '../../kit/engine.ts'
import { type Builder, buildModel } from '../../kit/model.ts'

const [ROWS, WIDTH, SAMPLES] = [6, 4, 40]

const meanOf = (m: Builder, x: Value, name: string) =>
  m.node('ReduceMean', [x], { name, attributes: { axes: ints([-1]), keepdims: int(1) } })

/** x [N,6,4] → product → normalization over the last axis, written out; `behind` is what the variance goes through. */
function normalizing(behind: (m: Builder, variance: Value) => Value): Uint8Array {
  const m = buildModel()
  const y = m.node('MatMul', [m.input('x', ['N', ROWS, WIDTH]), m.weight('w', [WIDTH, WIDTH])], { name: 'product' })
  const centered = m.node('Sub', [y, meanOf(m, y, 'mean')], { name: 'centered' })
  const variance = meanOf(m, m.node('Mul', [centered, centered], { name: 'squares' }), 'variance')
  m.output(behind(m, m.node('Add', [variance, m.constant('eps', float32([], [1e-5]))])), 'y', ['N', ROWS, WIDTH])
  return m.bytes()
}

/** In every sample one row is a thousandth of the others. */
function sometimesSmall(): Buffer {
  const data = Float32Array.from({ length: SAMPLES * ROWS * WIDTH }, (_, i) => {
    const isSmall = Math.floor(i / WIDTH) % ROWS === 0
    return Math.sin(i * 1.7) * (isSmall ? 1e-3 : 3)
  })
  return encodeNpz({ x: { dtype: 'float32', shape: [SAMPLES, ROWS, WIDTH], data } })
}

const FORMS: Record<string, (m: Builder, variance: Value) => Value> = {
  'a root and a quotient': (m, v) => m.node('Div', [centeredOf(m), m.node('Sqrt', [v])]),
  'a power of -1/2': (m, v) =>
    m.node('Mul', [centeredOf(m), m.node('Pow', [v, m.constant('power', float32([], [-0.5]))])]),
}

const centeredOf = ({ model }: Builder): Value =>
  [...model.graph.nodes].find(({ name }) => name === 'centered')!.outputs[0]!

describe('on gpu-tensorrt-int8, the variance behind', () => {
  const target = { target: 'gpu-tensorrt-int8', method: { type: 'static', observer: 'minmax', bias_correction: false } }
  for (const [form, behind] of Object.entries(FORMS))
    test(`${form} stays float, and rows of small numbers come out right`, async () => {
      const { plan, report } = await runEngine(normalizing(behind), sometimesSmall(), target)
      const { quantized, reason } = plan.nodes.find(({ node }) => node === 'variance')!
      assert.deepEqual([quantized, reason], [false, MAGNIFIED])
      const { sqnr_db } = report.metrics.fidelity!
      assert.ok(sqnr_db > 20, `${sqnr_db} dB`)
    })

  test('a square is an average like any other', async () => {
    const squared = (m: Builder, v: Value) =>
      m.node('Mul', [centeredOf(m), m.node('Pow', [v, m.constant('power', float32([], [2]))])])
    const { plan } = await runEngine(normalizing(squared), sometimesSmall(), target)
    assert.equal(plan.nodes.find(({ node }) => node === 'variance')!.quantized, true)
  })
})
