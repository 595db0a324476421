/** uint8 weights mean what int8 weights meant. Weights of 6 bits cannot saturate, so that both forms give the same sums on any processor. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomSource } from '../../../src/engine/data/synthetic.ts'
import { int } from '../../../src/engine/ir/build.ts'
import type { Value } from '../../../src/engine/ir/graph.ts'
import { float32, tensorOf } from '../../../src/engine/ir/tensor.ts'
import { unsignedWeights } from '../../../src/engine/passes/unsigned-weights.ts'
import { type Builder, buildModel } from '../../kit/model.ts'
import { apply, oneNode, sameResults } from '../../kit/passes.ts'

const [ROWS, DEPTH, COLUMNS] = [4, 16, 8]

function integers(m: Builder, shape: readonly number[]): Value {
  const random = randomSource(7)
  const count = shape.reduce((a, b) => a * b, 1)
  return m.constant(
    'w',
    tensorOf(
      'int8',
      shape,
      Int8Array.from({ length: count }, () => Math.round(64 * random()) - 32),
    ),
  )
}

const number = (m: Builder, x: number) => m.constant('c', float32([], [x]))
const zero = (m: Builder) => m.constant('z', tensorOf('uint8', [], Uint8Array.of(128)))
const quantized = (m: Builder, x: Value) => m.node('QuantizeLinear', [x, number(m, 0.05), zero(m)])
const dequantized = (m: Builder, x: Value) => m.node('DequantizeLinear', [quantized(m, x), number(m, 0.05), zero(m)])
const scales = (m: Builder) =>
  m.constant(
    's',
    float32(
      [COLUMNS],
      Array.from({ length: COLUMNS }, (_, i) => 0.01 * (i + 1)),
    ),
  )

const FORMS: Readonly<Record<string, (m: Builder, x: Value) => Value>> = {
  'scales by channel, no zero point': (m, x) => {
    const w = m.node('DequantizeLinear', [integers(m, [DEPTH, COLUMNS]), scales(m)], { attributes: { axis: int(1) } })
    return m.node('MatMul', [dequantized(m, x), w])
  },
  'a zero point of its own': (m, x) => {
    const point = m.constant('p', tensorOf('int8', [], Int8Array.of(3)))
    const w = m.node('DequantizeLinear', [integers(m, [DEPTH, COLUMNS]), number(m, 0.02), point])
    return m.node('MatMul', [dequantized(m, x), w])
  },
  'two readers with scales of their own': (m, x) => {
    const w = integers(m, [DEPTH, COLUMNS])
    const [a, b] = [0.02, 0.03].map((scale) =>
      m.node('MatMul', [dequantized(m, x), m.node('DequantizeLinear', [w, number(m, scale)])]),
    )
    return m.node('Add', [a!, b!])
  },
  'integers alone': (m, x) => {
    const sums = m.node('MatMulInteger', [quantized(m, x), integers(m, [DEPTH, COLUMNS]), zero(m)])
    return m.node('Cast', [sums], { attributes: { to: int(1) } })
  },
}

const weightsOf = ({ graph }: Builder['model']) =>
  [...graph.initializers].filter(({ name }) => name === 'w').map(({ dtype }) => dtype)

for (const [name, write] of Object.entries(FORMS)) {
  test(`unsigned weights: ${name}`, async () => {
    const model = oneNode(13, [ROWS, DEPTH], write)
    await sameResults(model, apply(unsignedWeights), 1e-5)
    assert.deepEqual(weightsOf(model), ['uint8'])
  })
}

test('unsigned weights: one that something else reads too stays', () => {
  const m = buildModel()
  const w = integers(m, [DEPTH, COLUMNS])
  m.output(m.node('DequantizeLinear', [w, number(m, 0.02)]), 'y')
  m.output(m.node('Cast', [w], { attributes: { to: int(1) } }), 'z')
  apply(unsignedWeights)(m.model)
  assert.deepEqual(weightsOf(m.model), ['int8'])
})
