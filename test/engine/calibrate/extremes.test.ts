/** Extremes that follow from others are those of the activations, to the bit, and cost nothing; probes lie so that values go early. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addExtremes, extremesIn, outputsOf } from '../../../src/engine/calibrate/extremes.ts'
import { onlyProbes } from '../../../src/engine/calibrate/probes.ts'
import { randomSource } from '../../../src/engine/data/synthetic.ts'
import { cloneModel } from '../../../src/engine/ir/clone.ts'
import type { Value } from '../../../src/engine/ir/graph.ts'
import { scalar } from '../../../src/engine/ir/tensor.ts'
import type { RunTensor } from '../../../src/engine/runtime/runtime.ts'
import { buildModel } from '../../kit/model.ts'
import { typedModel, withModel } from '../../kit/run.ts'

/** x through arithmetic with one number each, operand by operand; `clamped` loses what is below 0. */
function arithmetic(): Uint8Array {
  const m = buildModel(17)
  const x = m.input('x', ['N', 64])
  const number = (value: number) => m.constant('number', scalar(value))
  const through = (output: string, opType: string, ...inputs: Value[]) => m.node(opType, inputs, { output })
  const shifted = through('shifted', 'Add', x, number(0.3))
  const clipped = through('clipped', 'Clip', shifted, number(-0.1), number(0.9))
  const turned = through('turned', 'Mul', number(-1 / 3), clipped)
  const from = through('from', 'Sub', number(0.7), turned)
  const less = through('less', 'Sub', from, number(1.1))
  const divided = through('divided', 'Div', less, number(-0.7))
  const clamped = through('clamped', 'Relu', divided)
  m.output(through('raised', 'Add', clamped, number(5)), 'raised')
  return m.bytes()
}

const NAMES = ['x', 'shifted', 'clipped', 'turned', 'from', 'less', 'divided', 'clamped', 'raised']
const random = randomSource(3)
const FEEDS: Record<string, RunTensor> = {
  x: { dtype: 'float32', dims: [2, 64], data: Float32Array.from({ length: 128 }, () => 4 * random() - 2) },
}

test('arithmetic with a number and clamps carry extremes along', async () => {
  const model = await typedModel(arithmetic())
  const probe = cloneModel(model)
  const known = new Set(probe.graph.nodes)
  const outputs = addExtremes(probe, NAMES, { knowBounds: true })
  const shown = cloneModel(model)
  const produced = [...shown.graph.nodes].flatMap((node) => [...node.outputs])
  shown.graph.outputs.splice(0, 1, ...produced.filter((value) => value !== null))
  const activations = await withModel(shown, (session) => session.run(FEEDS))
  const fetched = outputsOf(outputs.values())
  assert.equal(fetched.length, 2, `only x is measured: ${fetched.join(', ')}`)
  onlyProbes(probe, known)
  const results = await withModel(probe, (session) => session.run(FEEDS))
  for (const name of NAMES) {
    const elements = [...((name === 'x' ? FEEDS : activations)[name]!.data as Float32Array)]
    const expected = { min: Math.min(...elements), max: Math.max(...elements) }
    assert.deepEqual(extremesIn(outputs.get(name)!, results), expected, name)
  }
})

test('behind an assumed bound a sum is measured, a product is not', async () => {
  const m = buildModel(17)
  const clamped = m.node('Relu', [m.input('x', ['N', 8])], { output: 'clamped' })
  const twice = m.node('Mul', [clamped, m.constant('two', scalar(2))], { output: 'twice' })
  m.output(m.node('Add', [twice, m.constant('five', scalar(5))], { output: 'raised' }), 'raised')
  const model = await typedModel(m.bytes())
  const outputs = addExtremes(model, ['clamped', 'twice', 'raised'], { knowBounds: true })
  assert.equal(outputsOf([outputs.get('clamped')!, outputs.get('twice')!]).length, 1)
  assert.equal(outputsOf([outputs.get('raised')!]).length, 2)
})

test('of a model only its probes run, those of early values last in the file', async () => {
  const m = buildModel(17)
  let value = m.input('x', ['N', 4, 6, 6])
  for (const name of ['first', 'second', 'third'])
    value = m.node('Conv', [value, m.weight(`${name}.w`, [4, 4, 1, 1])], { output: name })
  m.output(m.node('Softmax', [value], { name: 'nobody-asks' }), 'y')
  const model = await typedModel(m.bytes())
  const known = new Set(model.graph.nodes)
  const outputs = addExtremes(model, ['first', 'second', 'third'])
  onlyProbes(model, known)
  assert.deepEqual(
    new Set(model.graph.outputs.map(({ name }) => name)),
    new Set(outputsOf(outputs.values())),
    'the outputs are the probes',
  )
  const names = [...model.graph.nodes].map(({ name }) => name)
  assert.ok(!names.includes('nobody-asks'))
  const read = [...model.graph.nodes]
    .slice(-9)
    .flatMap(({ opType, inputs }) => (opType === 'ReduceMin' ? [inputs[0]?.name] : []))
  assert.deepEqual(read, ['third', 'second', 'first'])
})
