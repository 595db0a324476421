/** SmoothQuant moves outlying features into weights; the network computes the same, and its integers are closer to it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hasOutliers, smooth, smoothable } from '../../../src/engine/correct/smooth.ts'
import { int } from '../../../src/engine/ir/build.ts'
import type { Value } from '../../../src/engine/ir/graph.ts'
import { float32, view } from '../../../src/engine/ir/tensor.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { type Builder, buildModel } from '../../kit/model.ts'
import { outputsOf, typedModel } from '../../kit/run.ts'

const WIDTH = 32
const TOKENS = 6

/** Factors of which a few stand far out, as layer normalizations of language models have them. */
const outlying = () =>
  float32(
    [WIDTH],
    Float32Array.from({ length: WIDTH }, (_, i) => (i % 11 === 3 ? 40 : 1)),
  )

const NORMALIZATIONS: Record<string, (m: Builder, x: Value) => Value> = {
  'one operator': (m, x) =>
    m.node('LayerNormalization', [x, m.constant('gamma', outlying()), m.weight('beta', [WIDTH])], {
      attributes: { axis: int(-1) },
    }),
  'factors and offsets': (m, x) =>
    m.node('Add', [m.node('Mul', [m.node('Tanh', [x]), m.constant('gamma', outlying())]), m.weight('beta', [WIDTH])]),
}

/** A feed-forward block behind a normalization: two readers of its result, then a layer behind a layer. */
function block(normalize: (m: Builder, x: Value) => Value): Uint8Array {
  const m = buildModel(17)
  const normal = normalize(m, m.input('x', ['N', TOKENS, WIDTH]))
  const branch = (name: string) =>
    m.node('Add', [
      m.node('MatMul', [normal, m.weight(`${name}.w`, [WIDTH, 48], 0.1)], { name }),
      m.weight(`${name}.b`, [48]),
    ])
  const gated = m.node('Mul', [m.node('Sigmoid', [branch('gate')]), branch('up')])
  m.output(m.node('MatMul', [gated, m.weight('down.w', [48, 8])], { name: 'down' }), 'y')
  return m.bytes()
}

describe('SmoothQuant', () => {
  for (const [name, normalize] of Object.entries(NORMALIZATIONS)) {
    test(`the same outputs behind ${name}`, async () => {
      const model = await typedModel(block(normalize))
      const [site, ...others] = smoothable(model)
      assert.ok(site)
      assert.deepEqual([others, site.axis], [[], 2])
      const maxima = new Map([[site.name, view(outlying(), 'float32')]])
      assert.ok(hasOutliers(maxima))
      const expected = await outputsOf(model)
      const now = await outputsOf(smooth(model, maxima, 0.5))
      const scale = Math.max(...expected.map(Math.abs))
      for (const [i, y] of expected.entries()) assert.ok(Math.abs(y - now[i]!) < 1e-4 * scale, `${y} became ${now[i]}`)
    })

    test(`behind ${name} it is tried, kept and better`, async () => {
      const data = randomData(120, [TOKENS, WIDTH])
      const method = { type: 'static', observer: 'minmax', bias_correction: false }
      const rough = await runEngine(block(normalize), data, { method: { ...method, smooth: false } })
      const { report } = await runEngine(block(normalize), data, { method })
      const kept = report.search.filter((step) => step.step.startsWith('smoothing') && step.kept)
      assert.equal(kept.length, 1)
      assert.ok(report.metrics.fidelity!.sqnr_db > rough.report.metrics.fidelity!.sqnr_db + 1)
      assert.equal((report.options.method as { smooth: number }).smooth, Number(kept[0]!.step.split(' ').at(-1)))
    })
  }

  test('a result that something else reads is left alone', async () => {
    const m = buildModel(17)
    const normal = NORMALIZATIONS['one operator']!(m, m.input('x', ['N', TOKENS, WIDTH]))
    m.output(m.node('Add', [m.node('MatMul', [normal, m.weight('w', [WIDTH, WIDTH])]), normal]), 'y')
    assert.deepEqual(smoothable(await typedModel(m.bytes())), [])
  })
})
