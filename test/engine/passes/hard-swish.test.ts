/** HardSwish in all the ways that exporters write it, and back into sums and products. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { float } from '../../../src/engine/ir/build.ts'
import type { Value } from '../../../src/engine/ir/graph.ts'
import { float32 } from '../../../src/engine/ir/tensor.ts'
import { constantArithmetic } from '../../../src/engine/passes/constant-arithmetic.ts'
import { expandHardSwish, fuseHardSwish } from '../../../src/engine/passes/hard-swish.ts'
import { removeUnused } from '../../../src/engine/passes/remove-unused.ts'
import { runEngine } from '../../kit/engine.ts'
import { type Builder, buildModel } from '../../kit/model.ts'
import { apply, oneNode, operatorsOf, sameResults } from '../../kit/passes.ts'

const SHAPE = [2, 3, 4, 4]
const typed = (value: Value) => Object.assign(value, { dtype: 'float32', shape: SHAPE })
const number = (m: Builder, x: number) => m.constant('c', float32([], [x]))
const op = (m: Builder, opType: string, inputs: Value[], attributes = {}) =>
  typed(m.node(opType, inputs, { attributes }))

const gate = (m: Builder, x: Value, top = 6) =>
  op(m, 'Clip', [op(m, 'Add', [x, number(m, 3)]), number(m, 0), number(m, top)])

const FORMS: Readonly<Record<string, (m: Builder, x: Value) => Value>> = {
  'a quotient of the product': (m, x) => op(m, 'Div', [op(m, 'Mul', [x, gate(m, x)]), number(m, 6)]),
  'a product with the quotient': (m, x) => op(m, 'Mul', [op(m, 'Div', [gate(m, x), number(m, 6)]), x]),
  'a sixth in few digits': (m, x) => op(m, 'Mul', [op(m, 'Mul', [gate(m, x), x]), number(m, 0.16667)]),
  HardSigmoid: (m, x) => op(m, 'Mul', [x, op(m, 'HardSigmoid', [x], { alpha: float(1 / 6), beta: float(0.5) })]),
}

const nothingStays = () => false

for (const [name, write] of Object.entries(FORMS)) {
  test(`HardSwish written as ${name}`, async () => {
    const model = oneNode(13, SHAPE, (m, x) => write(m, typed(x)))
    await sameResults(model, apply(constantArithmetic(), fuseHardSwish(nothingStays), removeUnused), 1e-4)
    assert.deepEqual(operatorsOf(model), ['HardSwish'])
    assert.equal(model.opsets.get(''), 14)
    await sameResults(model, apply(expandHardSwish(nothingStays)))
    assert.deepEqual(operatorsOf(model), ['Add', 'Clip', 'Mul', 'Mul'])
  })
}

const OTHERS: Readonly<Record<string, (m: Builder, x: Value) => Value>> = {
  'another bound': (m, x) => op(m, 'Div', [op(m, 'Mul', [x, gate(m, x, 5)]), number(m, 6)]),
  'another gate': (m, x) => op(m, 'Div', [op(m, 'Mul', [op(m, 'Neg', [x]), gate(m, x)]), number(m, 6)]),
  'another slope': (m, x) => op(m, 'Mul', [x, op(m, 'HardSigmoid', [x])]),
}

for (const [name, write] of Object.entries(OTHERS)) {
  test(`${name} is no HardSwish`, () => {
    const model = oneNode(17, SHAPE, (m, x) => write(m, typed(x)))
    const before = operatorsOf(model)
    apply(fuseHardSwish(nothingStays))(model)
    assert.deepEqual(operatorsOf(model), before)
  })
}

function network() {
  const m = buildModel(17)
  const conv = (x: Value, weight: string) => m.node('Conv', [x, m.weight(weight, [8, 8, 1, 1])], { name: weight })
  const activated = m.node('HardSwish', [conv(m.input('x', [4, 8, 6, 6]), 'first')], { name: 'activation' })
  m.output(conv(activated, 'second'), 'y')
  return m.bytes()
}

test('processors compute HardSwish in integers; its sixth is in the next weight', async () => {
  const { report, model } = await runEngine(network(), null, { target: 'cpu-int8' })
  assert.equal(operatorsOf(model).filter((opType) => opType === 'Mul').length, 1)
  assert.equal(operatorsOf(model).includes('HardSwish'), false)
  assert.equal(report.metrics.coverage.nodes_quantized, report.metrics.coverage.nodes)
  assert.ok(report.metrics.fidelity!.sqnr_db > 25, `${report.metrics.fidelity!.sqnr_db} dB`)
})

for (const exclude of [{ nodes: ['activation'] }, { op_types: ['HardSwish'] }]) {
  test(`a HardSwish that is to stay float stays whole: ${JSON.stringify(exclude)}`, async () => {
    const { model } = await runEngine(network(), null, { target: 'cpu-int8', exclude })
    assert.equal(operatorsOf(model).filter((opType) => opType === 'HardSwish').length, 1)
  })
}

test('accelerators get the operator itself', async () => {
  const { model } = await runEngine(network(), null, { target: 'edge-npu' })
  assert.equal(operatorsOf(model).includes('HardSwish'), true)
})
