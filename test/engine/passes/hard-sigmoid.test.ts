/** HardSigmoid behind a layer with weights: the gates of squeeze and excitation run in integers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { float } from '../../../src/engine/ir/build.ts'
import type { Value } from '../../../src/engine/ir/graph.ts'
import { foldAffine } from '../../../src/engine/passes/affine/index.ts'
import { expandHardSigmoid } from '../../../src/engine/passes/hard-sigmoid.ts'
import { removeUnused } from '../../../src/engine/passes/remove-unused.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { type Builder, buildModel } from '../../kit/model.ts'
import { apply, oneNode, operatorsOf, sameResults } from '../../kit/passes.ts'

const SHAPE = [2, 8, 4, 4]
const typed = (value: Value, shape = SHAPE) => Object.assign(value, { dtype: 'float32', shape })
const conv = (m: Builder, x: Value, name: string) => m.node('Conv', [x, m.weight(name, [8, 8, 1, 1])], { name })
const gate = (m: Builder, x: Value) =>
  m.node('HardSigmoid', [x], { name: 'gate', attributes: { alpha: float(0.3), beta: float(0.4) } })

test('its factor and its summand go into the weights, a clamp is left', async () => {
  const model = oneNode(17, SHAPE, (m, x) => gate(m, typed(conv(m, typed(x), 'w'))))
  await sameResults(
    model,
    apply(
      expandHardSigmoid(() => false),
      foldAffine,
      removeUnused,
    ),
    1e-4,
  )
  assert.deepEqual(operatorsOf(model), ['Conv', 'Clip'])
})

for (const [name, stays, write] of [
  ['one that is to stay float', true, (m: Builder, x: Value) => gate(m, typed(conv(m, x, 'w')))],
  ['one behind no weights', false, (m: Builder, x: Value) => gate(m, typed(m.node('Sin', [x])))],
] as const)
  test(`${name} is left alone`, () => {
    const model = oneNode(17, SHAPE, (m, x) => write(m, typed(x)))
    apply(expandHardSigmoid(() => stays))(model)
    assert.ok(operatorsOf(model).includes('HardSigmoid'))
  })

/** Squeeze and excitation. */
function excited(): Uint8Array {
  const m = buildModel(17)
  const features = conv(m, m.input('x', [4, 8, 6, 6]), 'features')
  const squeezed = m.node('Relu', [conv(m, m.node('GlobalAveragePool', [features]), 'squeeze')])
  m.output(conv(m, m.node('Mul', [features, gate(m, conv(m, squeezed, 'excite'))]), 'last'), 'y')
  return m.bytes()
}

test('processors compute squeeze and excitation in integers', async () => {
  const { report } = await runEngine(excited(), randomData(40, [8, 6, 6]))
  const { nodes, nodes_quantized } = report.metrics.coverage
  assert.equal(nodes_quantized, nodes)
  assert.ok(report.metrics.fidelity!.sqnr_db > 25, `${report.metrics.fidelity!.sqnr_db} dB`)
})

test('a gate that is excluded stays what it was', async () => {
  const { model } = await runEngine(excited(), null, { exclude: { nodes: ['gate'] } })
  assert.ok(operatorsOf(model).includes('HardSigmoid'))
})
