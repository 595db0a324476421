/** Attention masks: huge negative numbers that nobody needs to tell apart must not eat the integers of the rest. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { int, ints } from '../../src/engine/ir/build.ts'
import type { Value } from '../../src/engine/ir/graph.ts'
import { float32, tensorOf } from '../../src/engine/ir/tensor.ts'
import { randomData } from '../kit/data.ts'
import { runEngine } from '../kit/engine.ts'
import { type Builder, buildModel } from '../kit/model.ts'

const [TOKENS, WIDTH] = [8, 16]

/** One head of attention with the last three tokens masked: x [1,8,16] → y [1,8,16]. */
function attention(mask: (m: Builder, scores: Value) => Value): Uint8Array {
  const m = buildModel()
  const x = m.input('x', [1, TOKENS, WIDTH])
  const project = (name: string) => m.node('MatMul', [x, m.weight(name, [WIDTH, WIDTH])], { name })
  const keys = m.node('Transpose', [project('k')], { name: 'kt', attributes: { perm: ints([0, 2, 1]) } })
  const scores = m.node('MatMul', [project('q'), keys], { name: 'scores' })
  const weights = m.node('Softmax', [mask(m, scores)], { name: 'softmax', attributes: { axis: int(-1) } })
  m.output(m.node('MatMul', [weights, project('v')], { name: 'mixed' }), 'y', [1, TOKENS, WIDTH])
  return m.bytes()
}

const masked = (number: number) =>
  float32(
    [1, 1, TOKENS],
    Array.from({ length: TOKENS }, (_, i) => (i < TOKENS - 3 ? 0 : number)),
  )
const added = (number: number) => (m: Builder, scores: Value) =>
  m.node('Add', [scores, m.constant('mask', masked(number))], { name: 'masked' })
const chosen = (number: number) => (m: Builder, scores: Value) => {
  const keep = tensorOf(
    'bool',
    [1, 1, TOKENS],
    Uint8Array.from({ length: TOKENS }, (_, i) => Number(i < TOKENS - 3)),
  )
  const inputs = [m.constant('keep', keep), scores, m.constant('never', float32([], [number]))]
  return m.node('Where', inputs, { name: 'masked' })
}

describe('attention masks', () => {
  const cases = [
    ['−10,000 added', added(-1e4)],
    ['the smallest float added', added(-3.4028234663852886e38)],
    ['minus infinity added', added(Number.NEGATIVE_INFINITY)],
    ['−1e9 chosen', chosen(-1e9)],
    ['minus infinity chosen', chosen(Number.NEGATIVE_INFINITY)],
  ] as const
  for (const [name, mask] of cases) {
    for (const target of ['npu-openvino', 'npu-qnn-htp', 'cpu-int8']) {
      test(`${name}, ${target}`, async () => {
        const { report } = await runEngine(attention(mask), randomData(60, [TOKENS, WIDTH]), { target })
        assert.ok(report.metrics.fidelity!.sqnr_db > 20, `${report.metrics.fidelity!.sqnr_db} dB`)
        assert.deepEqual(report.metrics.target_conformance.violations, [])
      })
    }
  }
})
