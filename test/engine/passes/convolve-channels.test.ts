/** Factors and offsets of channels that no layer takes in become convolutions of each channel, or a product and a sum. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ints } from '../../../src/engine/ir/build.ts'
import type { Value } from '../../../src/engine/ir/graph.ts'
import { float32 } from '../../../src/engine/ir/tensor.ts'
import { convolveChannels } from '../../../src/engine/passes/convolve-channels.ts'
import { removeUnused } from '../../../src/engine/passes/remove-unused.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { type Builder, buildModel } from '../../kit/model.ts'
import { apply, oneNode, operatorsOf, sameResults } from '../../kit/passes.ts'

const everything = convolveChannels(
  () => true,
  () => false,
)

function norm(m: Builder, x: Value, channels: number): Value {
  const variance = float32(
    [channels],
    Float32Array.from({ length: channels }, (_, i) => 0.5 + i / 4),
  )
  const [scale, bias, mean] = ['s', 'b', 'm'].map((name) => m.weight(name, [channels], 1))
  return m.node('BatchNormalization', [x, scale!, bias!, mean!, m.constant('v', variance)], { name: 'norm' })
}

for (const shape of [
  [2, 3, 5],
  [2, 3, 4, 5],
  [1, 3, 2, 3, 4],
]) {
  test(`a BatchNormalization over [${shape}] is one convolution`, async () => {
    const model = oneNode(17, shape, (m, x) => norm(m, x, 3))
    await sameResults(model, apply(everything))
    assert.deepEqual(operatorsOf(model), ['Conv'])
  })
}

test('a BatchNormalization of features is a product and a sum', async () => {
  const model = oneNode(17, [4, 3], (m, x) => norm(m, x, 3))
  await sameResults(model, apply(everything))
  assert.deepEqual(operatorsOf(model), ['Mul', 'Add'])
})

test('without integer convolutions it is a product and a sum over channels', async () => {
  const model = oneNode(17, [2, 3, 4, 5], (m, x) => norm(m, x, 3))
  const pass = convolveChannels(
    (opType) => opType !== 'Conv',
    () => false,
  )
  await sameResults(model, apply(pass))
  assert.deepEqual(operatorsOf(model), ['Mul', 'Add'])
})

const typed = (value: Value, shape: number[]) => Object.assign(value, { dtype: 'float32', shape })

test('a product and a sum over channels are one convolution, others are not', async () => {
  const write = (factor: readonly number[]) =>
    oneNode(17, [2, 3, 4, 5], (m, x) =>
      m.node('Add', [typed(m.node('Mul', [x, m.weight('f', factor)]), [2, 3, 4, 5]), m.weight('o', [1, 3, 1, 1])]),
    )
  const model = write([3, 1, 1])
  await sameResults(model, apply(everything, removeUnused))
  assert.deepEqual(operatorsOf(model), ['Conv'])
  for (const other of [[], [1, 1, 1, 5], [1, 3, 4, 5]]) {
    const left = write(other)
    await sameResults(left, apply(everything))
    assert.deepEqual(operatorsOf(left), ['Mul', 'Add'])
  }
})

test('nodes that the request excludes stay what they are', () => {
  const model = oneNode(17, [2, 3, 4, 5], (m, x) => norm(m, x, 3))
  apply(
    convolveChannels(
      () => true,
      ({ name }) => name === 'norm',
    ),
  )(model)
  assert.deepEqual(operatorsOf(model), ['BatchNormalization'])
})

test('a norm that two layers with padding read is integer on integer-only processors', async () => {
  const m = buildModel(17)
  const x = m.input('x', [1, 4, 6, 6])
  const normal = norm(m, x, 4)
  const conv = (name: string) =>
    m.node('Conv', [normal, m.weight(name, [4, 4, 3, 3])], { name, attributes: { pads: ints([1, 1, 1, 1]) } })
  m.output(m.node('Add', [conv('a'), conv('b')]), 'y', [1, 4, 6, 6])
  const { report, model } = await runEngine(m.bytes(), randomData(24, [4, 6, 6]), { target: 'edge-npu' })
  assert.deepEqual(report.metrics.target_conformance.violations, [])
  assert.ok(!operatorsOf(model).includes('BatchNormalization'))
  assert.ok(report.metrics.fidelity!.sqnr_db > 32, `${report.metrics.fidelity!.sqnr_db} dB`)
})
