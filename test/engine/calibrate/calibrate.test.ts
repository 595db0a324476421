/** What calibration measures inside the graph is what a look at the activations themselves finds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addChannelMaxima,
  addInputMeans,
  measureExtremes,
  measureMaxima,
} from '../../../src/engine/calibrate/calibrate.ts'
import { addElements } from '../../../src/engine/calibrate/elements.ts'
import { addExtremes } from '../../../src/engine/calibrate/extremes.ts'
import { totalOf } from '../../../src/engine/calibrate/histogram.ts'
import { randomSource } from '../../../src/engine/data/synthetic.ts'
import { int, ints } from '../../../src/engine/ir/build.ts'
import { cloneModel } from '../../../src/engine/ir/clone.ts'
import type { Dim, Model, Value } from '../../../src/engine/ir/graph.ts'
import type { RunTensor } from '../../../src/engine/runtime/runtime.ts'
import { buildModel } from '../../kit/model.ts'
import { typedModel, withModel } from '../../kit/run.ts'

/** Two branches, one clamped, joined, pooled and read by a last layer. */
function branches(opset: number, sides: readonly Dim[]): Uint8Array {
  const m = buildModel(opset)
  const x = m.input('x', ['N', 3, ...sides])
  const conv = (name: string, input: Value, channels: number) =>
    m.node('Conv', [input, m.weight(`${name}.w`, [5, channels, 1, 1]), m.weight(`${name}.b`, [5])], {
      name,
      output: `${name}_y`,
    })
  const clamped = m.node('Relu', [conv('a', x, 3)], { output: 'clamped' })
  const joined = m.node('Concat', [clamped, conv('b', x, 3)], { output: 'joined', attributes: { axis: int(1) } })
  const twice = m.node('Concat', [joined, clamped], { output: 'twice', attributes: { axis: int(1) } })
  const pooled = m.node('AveragePool', [clamped], { output: 'pooled', attributes: { kernel_shape: ints([2, 2]) } })
  m.output(m.node('GlobalAveragePool', [conv('c', twice, 15)]), 'y')
  m.output(m.node('GlobalAveragePool', [pooled]), 'z')
  return m.bytes()
}

const NAMES = ['x', 'a_y', 'b_y', 'clamped', 'joined', 'twice', 'pooled']
type Batches = readonly Record<string, RunTensor>[]

/** One run each, of these many samples and sides. */
const batchesOf = (shapes: readonly (readonly [samples: number, height: number, width: number])[]): Batches =>
  shapes.map(([samples, ...sides], seed) => {
    const random = randomSource(seed + 1)
    const dims = [samples, 3, ...sides]
    const length = dims.reduce((a, b) => a * b)
    return { x: { dtype: 'float32', dims, data: Float32Array.from({ length }, () => 4 * random() - 2) } }
  })

const CASES: readonly { name: string; opset: number; sides: readonly Dim[]; batches: Batches }[] = [
  ...[13, 17, 18].map((opset) => ({
    name: `operator set ${opset}`,
    opset,
    sides: [6, 6],
    batches: batchesOf([
      [1, 6, 6],
      [4, 6, 6],
      [2, 6, 6],
    ]),
  })),
  {
    name: 'batches of different shapes',
    opset: 17,
    sides: ['H', 'W'],
    batches: batchesOf([
      [1, 6, 6],
      [4, 5, 9],
      [2, 12, 3],
      [1, 2, 31],
    ]),
  },
]

/** All elements of every named value. */
async function activations(model: Model, batches: Batches): Promise<Map<string, number[]>> {
  const probe = cloneModel(model)
  const produced = [...probe.graph.nodes].flatMap(({ outputs }) => outputs.filter((value) => value !== null))
  probe.graph.outputs.push(...produced.filter(({ name }) => NAMES.includes(name)))
  const all = new Map<string, number[]>(NAMES.map((name) => [name, []]))
  await withModel(probe, async (session) => {
    for (const feeds of batches) {
      const results = { ...feeds, ...(await session.run(feeds)) }
      for (const [name, elements] of all) elements.push(...(results[name]!.data as Float32Array))
    }
  })
  return all
}

test('a value whose size only the run knows is counted in part when it is large', async () => {
  const m = buildModel(17)
  const long = m.node('Relu', [m.input('x', ['N', 'L'])], { output: 'long' })
  m.output(m.node('ReduceSum', [long]), 'y')
  const model = await typedModel(m.bytes())
  const outputs = addExtremes(model, ['long'])
  const elements = addElements(model, ['long'], 1)
  const count = 2 ** 22
  const data = Float32Array.from({ length: count }, (_, i) => i % 1000)
  await withModel(model, async (session) => {
    const batches = [{ x: { dtype: 'float32' as const, dims: [2, count / 2], data } }]
    const { histogram } = (await measureExtremes({ session, outputs, elements, batches })).statistics.get('long')!
    const counted = totalOf(histogram!)
    assert.ok(counted > count / 8 && counted < count / 2, `${counted} of ${count}`)
    const lower = histogram!.counts.slice(0, 1024).reduce((a, b) => a + b, 0)
    assert.ok(Math.abs(lower / counted - 0.5) < 0.01)
  })
})

for (const { name: label, opset, sides, batches } of CASES) {
  test(`extremes, histograms, means and channel maxima: ${label}`, async () => {
    const model = await typedModel(branches(opset, sides))
    const expected = await activations(model, batches)
    const probe = cloneModel(model)
    const outputs = addExtremes(probe, NAMES, { knowBounds: true })
    const elements = addElements(probe, NAMES, 7)
    const means = addInputMeans(probe, new Set(['c']))
    const maxima = addChannelMaxima(probe, [{ name: 'b_y', axis: 1 }])
    await withModel(probe, async (session) => {
      const measured = await measureExtremes({ session, outputs, elements, means, batches })
      for (const [name, all] of expected) {
        const { min, max, histogram } = measured.statistics.get(name)!
        assert.equal(max, Math.max(...all), name)
        assert.equal(Math.min(min, 0), Math.min(...all, 0), name)
        assert.ok(min <= Math.min(...all), name)
        assert.equal(totalOf(histogram!), all.length, name)
        assert.deepEqual([histogram!.low, histogram!.high], [min, max], name)
      }
      assert.equal(measured.means.get('c')!.length, 15)
      const [largest] = (await measureMaxima(session, maxima, batches)).values()
      assert.equal(Math.max(...largest!), Math.max(...expected.get('b_y')!.map(Math.abs)))
    })
    const measuredOutputs = new Set([...outputs.values()].flatMap(({ low, high }) => [...low, ...high]))
    assert.ok(
      ![...measuredOutputs].some((output) => String(output).startsWith('joined')),
      'what is joined is not measured twice',
    )
  })
}
