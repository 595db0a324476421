/** Who reads the warnings is told when outputs are too far from the float model, and what would work for the model at hand. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Recipe } from '../../../src/contract/recipe.ts'
import type { Metrics } from '../../../src/contract/report.ts'
import { lowFidelity } from '../../../src/engine/report/low-fidelity.ts'
import { TARGETS } from '../../../src/engine/targets/index.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { buildModel } from '../../kit/model.ts'

const FIDELITY = {
  sqnr_db: 30,
  sqnr_db_ci95: null,
  sqnr_db_median: 30,
  sqnr_db_p10: 28,
  cosine: 1,
  cosine_ci95: null,
  agreement: 1,
  agreement_ci95: [0.95, 1],
  agreement_over: null,
  samples: 64,
  batch: 32,
  in_batches: null,
  measured_on: 'held_out' as const,
  outputs: [],
}

type Fidelity = Partial<typeof FIDELITY>
type Accuracy = Metrics['accuracy']

function warned(
  fidelity: Fidelity,
  accuracy: Accuracy = null,
  target: 'cpu-int8' | 'npu-qnn-htp' | 'npu-ethos-u' = 'cpu-int8',
): string {
  const metrics = { fidelity: { ...FIDELITY, ...fidelity }, accuracy }
  const recipe = Recipe.parse({ target, method: { type: 'static' } })
  const layer = { node: 'conv_7', op_type: 'Conv', value: 'y', sqnr_db: 4, cosine: 0.8, gain_db: null }
  const [warning] = lowFidelity({
    recipe,
    target: TARGETS[target],
    metrics,
    output: { options: {}, sensitivity: [layer] },
  })
  return warning?.detail ?? ''
}

const top1 = (drop: number, low: number, samples = 500): Accuracy => ({
  metric: 'top1',
  float: 0.9,
  quantized: 0.9 - drop,
  drop,
  samples,
  ci95: [low, drop + (drop - low)],
})

describe('low_fidelity', () => {
  test('speaks of recognisers, detectors and embedders that follow loosely', () => {
    assert.match(warned({ sqnr_db: 10.5 }), /loosely/)
    assert.match(warned({ sqnr_db: 8.5 }), /loosely/)
    assert.match(warned({ sqnr_db: 5 }), /hardly follow/)
    assert.equal(warned({}), '')
  })

  test('sees the samples that are ruined behind a good sum', () => {
    assert.match(warned({ sqnr_db_p10: 3 }), /less than 3\.0 dB for a tenth/)
  })

  test('sees classes that change', () => {
    assert.match(warned({ agreement: 0.7, agreement_ci95: [0.6, 0.8] }), /30\.0 % of the positions/)
  })

  test('believes the metric where there is one', () => {
    assert.equal(warned({ sqnr_db: 7 }, top1(0.001, -0.01)), '')
    assert.match(warned({ sqnr_db: 25 }, top1(0.02, 0.008)), /top1 is 88\.0 % instead of the float model's 90\.0 %/)
    assert.equal(warned({ sqnr_db: 25 }, top1(0.02, -0.01)), '')
    assert.match(warned({ sqnr_db: 7 }, top1(0, -0.01, 20)), /hardly/)
  })

  test('advises what the target has', () => {
    assert.match(warned({ sqnr_db: 5 }, null, 'npu-qnn-htp'), /activation_bits: 16/)
    assert.doesNotMatch(warned({ sqnr_db: 5 }, null, 'npu-ethos-u'), /exclude\.nodes/)
    assert.match(warned({ sqnr_db: 5 }), /"conv_7" \(Conv, 4\.0 dB\)/)
    assert.doesNotMatch(warned({ sqnr_db: 5 }), /activation_bits/)
  })
})

describe('nothing_to_quantize', () => {
  const convolution = () => {
    const m = buildModel()
    const x = m.input('x', ['N', 3, 8, 8])
    m.output(m.node('Conv', [x, m.weight('w', [4, 3, 3, 3])], { name: 'only' }), 'y', ['N', 4, 6, 6])
    return m.bytes()
  }
  const refusalOf = (model: Uint8Array, recipe: Record<string, unknown>, data: Buffer | null = null) =>
    runEngine(model, data, recipe).then(
      () => assert.fail('it was quantized'),
      (error: { code: string; message: string; hint: string }) => {
        assert.equal(error.code, 'nothing_to_quantize')
        return error
      },
    )

  test('names the first layer with its reason, and the methods that would take it', async () => {
    for (const [target, type] of [
      ['cpu-int8', 'dynamic'],
      ['cpu-int4', 'weight_only'],
    ] as const) {
      const { message, hint } = await refusalOf(convolution(), { target, method: { type } })
      assert.match(message, /node "only" \(Conv\) stays float: /)
      assert.match(hint, /the method static.* one layer "only" \(Conv\)/)
    }
  })

  test('says that no method helps where none does', async () => {
    const m = buildModel()
    m.output(m.node('Tanh', [m.input('x', ['N', 8])], { name: 't' }), 'y', ['N', 8])
    const { hint } = await refusalOf(m.bytes(), { method: { type: 'static' } }, randomData(8, [8]))
    assert.match(hint, /no method can make this model smaller/)
  })

  test('names recurrent layers that are too small, too', async () => {
    const m = buildModel()
    const x = m.input('x', [3, 'N', 4])
    const y = m.node('RNN', [x, m.weight('w', [1, 4, 4]), m.weight('r', [1, 4, 4])], {
      name: 'cell',
      attributes: { hidden_size: { kind: 'int', value: 4 } },
    })
    m.output(y, 'y', [3, 1, 'N', 4])
    const { message } = await refusalOf(m.bytes(), { target: 'cpu-int4', method: { type: 'weight_only' } })
    assert.match(message, /node "cell" \(RNN\) stays float: /)
  })
})
