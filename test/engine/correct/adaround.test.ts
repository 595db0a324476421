/** Adaptive rounding: Gram matrices from the model, fewer errors at the outputs of layers, integers that survive. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { roundRow } from '../../../src/engine/correct/adaround.ts'
import { layersOf } from '../../../src/engine/correct/channels.ts'
import { addGrams, rowsOf } from '../../../src/engine/correct/gram.ts'
import { randomSource } from '../../../src/engine/data/synthetic.ts'
import { int, ints } from '../../../src/engine/ir/build.ts'
import { view } from '../../../src/engine/ir/tensor.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { buildModel, convNet, IMAGE } from '../../kit/model.ts'
import { outputsOf, typedModel } from '../../kit/run.ts'

const LENGTH = 8
const SCALE = 0.1

/** Inputs whose elements go together, and their Gram matrix. */
function correlated(seed: number): { gram: Float32Array; weights: Float64Array } {
  const random = randomSource(seed)
  const samples = Array.from({ length: 40 }, () => {
    const common = random() * 3
    return Float64Array.from({ length: LENGTH }, () => common + random() - 0.5)
  })
  const gram = new Float32Array(LENGTH * LENGTH)
  for (const x of samples)
    for (let i = 0; i < LENGTH; i++) for (let j = 0; j < LENGTH; j++) gram[i * LENGTH + j]! += (x[i]! * x[j]!) / 40
  return { gram, weights: Float64Array.from({ length: LENGTH }, () => 2 * random() - 1) }
}

function costOf(weights: Float64Array, integers: ArrayLike<number>, gram: Float32Array): number {
  const error = weights.map((w, i) => integers[i]! * SCALE - w)
  let sum = 0
  for (let i = 0; i < LENGTH; i++) for (let j = 0; j < LENGTH; j++) sum += error[i]! * gram[i * LENGTH + j]! * error[j]!
  return sum
}

describe('the rounding of a row', () => {
  test('is up or down, never worse than to nearest, and near the best of all choices', () => {
    let [nearest, found, best] = [0, 0, 0]
    for (let seed = 1; seed <= 30; seed++) {
      const { gram, weights } = correlated(seed)
      const integers = weights.map((w) => Math.round(w / SCALE))
      const before = costOf(weights, integers, gram)
      roundRow({ weights, integers, scale: SCALE, pinned: () => false }, gram, 0)
      const after = costOf(weights, integers, gram)
      assert.ok(after <= before + 1e-9)
      for (const [i, integer] of integers.entries()) assert.ok(Math.abs(integer - weights[i]! / SCALE) <= 1)
      const choices = Array.from({ length: 2 ** LENGTH }, (_, bits) =>
        costOf(
          weights,
          weights.map((w, i) => Math.floor(w / SCALE) + ((bits >> i) & 1)),
          gram,
        ),
      )
      nearest += before
      found += after
      best += Math.min(...choices)
    }
    assert.ok(found < nearest / 4, `${nearest} became ${found}, ${best} is possible`)
    assert.ok(found < 4 * best, `${found}, ${best} is possible`)
  })

  test('leaves pinned weights alone', () => {
    const { gram, weights } = correlated(3)
    const integers = weights.map((w) => Math.round(w / SCALE))
    assert.equal(roundRow({ weights, integers, scale: SCALE, pinned: () => true }, gram, 0), 0)
  })
})

const LAYERS: Record<string, (m: ReturnType<typeof buildModel>) => void> = {
  'a convolution with stride, padding and groups': (m) => {
    const x = m.input('x', [2, 4, 5, 6])
    const attributes = { group: int(2), kernel_shape: ints([3, 2]), strides: ints([2, 1]), pads: ints([1, 0, 1, 1]) }
    m.output(m.node('Conv', [x, m.weight('w', [6, 2, 3, 2])], { name: 'layer', attributes }), 'y')
  },
  'a depthwise convolution': (m) => {
    const x = m.input('x', [2, 4, 5, 6])
    m.output(
      m.node('Conv', [x, m.weight('w', [4, 1, 3, 3])], {
        name: 'layer',
        attributes: { group: int(4), kernel_shape: ints([3, 3]) },
      }),
      'y',
    )
  },
  'a matrix product': (m) =>
    m.output(m.node('MatMul', [m.input('x', [2, 3, 5]), m.weight('w', [5, 7])], { name: 'layer' }), 'y'),
  'a transposed Gemm': (m) =>
    m.output(
      m.node('Gemm', [m.input('x', [4, 5]), m.weight('w', [7, 5])], { name: 'layer', attributes: { transB: int(1) } }),
      'y',
    ),
}

describe('Gram matrices', () => {
  for (const [name, build] of Object.entries(LAYERS)) {
    test(`of ${name}: w·G·wᵀ is the energy of the output`, async () => {
      const m = buildModel()
      build(m)
      const model = await typedModel(m.bytes())
      const layer = [...layersOf(model.graph).values()][0]!
      const rows = rowsOf(layer)!
      const output = await outputsOf(model)
      const energy = output.reduce((sum, y) => sum + y * y, 0)
      addGrams(model, new Map([[layer.node.name, rows]]))
      model.graph.outputs.splice(0, 1)
      const gram = await outputsOf(model)
      const weights = view(layer.weight.tensor!, 'float32')
      const { groups, length, start, stride } = rows
      let sum = 0
      for (let row = 0; row < layer.outputs; row++) {
        const from = Math.floor(row / (layer.outputs / groups)) * length * length
        for (let i = 0; i < length; i++)
          for (let j = 0; j < length; j++)
            sum += weights[start(row) + i * stride]! * gram[from + i * length + j]! * weights[start(row) + j * stride]!
      }
      assert.ok(Math.abs(sum - energy) < 1e-4 * energy, `${sum} instead of ${energy}`)
    })
  }
})

/** few bits, so that rounding matters */
const FOUR_BITS = {
  id: 'four-bits',
  activation: { dtype: 'uint8', symmetric: false },
  weight: { dtype: 'int8', bits: 4, symmetric: true, granularity: 'channel' },
}

describe('adaround: true', () => {
  test('4-bit weights follow the float model more closely; every weight went up or down', async () => {
    const data = randomData(96, IMAGE)
    const method = { type: 'static', observer: 'minmax', bias_correction: false }
    const nearest = await runEngine(convNet({ width: 24 }), data, { target: FOUR_BITS, method })
    const rounded = await runEngine(convNet({ width: 24 }), data, {
      target: FOUR_BITS,
      method: { ...method, adaround: true },
    })
    const [before, after] = [nearest, rounded].map(({ report }) => report.metrics.fidelity!.sqnr_db)
    assert.ok(after! > before! + 1, `${before} dB became ${after} dB`)
    assert.equal((rounded.report.options.method as { adaround: boolean }).adaround, true)
    const integersOf = ({ model }: typeof nearest) =>
      [...model.graph.initializers]
        .filter(({ name }) => /weight.*_q$/.test(name))
        .map(({ name, tensor }) => [name, view(tensor!, 'int8')] as const)
    const again = new Map(integersOf(rounded))
    for (const [name, integers] of integersOf(nearest)) {
      const differences = integers.map((q, i) => Math.abs(q - again.get(name)![i]!))
      assert.ok(
        differences.some((difference) => difference === 1) && differences.every((difference) => difference <= 1),
        name,
      )
    }
  })
})
