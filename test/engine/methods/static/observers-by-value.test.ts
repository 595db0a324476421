/** `auto` gives every value the observer that suits it: outliers that matter are kept, outliers that do not are cut off. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomSource } from '../../../../src/engine/data/synthetic.ts'
import { encodeNpz } from '../../../../src/engine/data/write-npz.ts'
import { float32 } from '../../../../src/engine/ir/tensor.ts'
import { runEngine } from '../../../kit/engine.ts'
import { buildModel } from '../../../kit/model.ts'

const WIDTH = 2048
const SAMPLES = 120
const OUTLIERS = { idle: 300, busy: 900 }
const FEATURE = 7

/** Two products. What stands out in `idle` is multiplied by 0, what stands out in `busy` is most of the result. */
function model(): Uint8Array {
  const m = buildModel()
  for (const [name, weight] of [
    ['idle', 0],
    ['busy', 1],
  ] as const) {
    const random = randomSource(5)
    const weights = Float32Array.from({ length: WIDTH * 4 }, (_, i) =>
      Math.floor(i / 4) === FEATURE ? weight : random() - 0.5,
    )
    const x = m.input(name, ['N', WIDTH])
    m.output(m.node('MatMul', [x, m.constant(`${name}.w`, float32([WIDTH, 4], weights))], { name }), `${name}_y`, [
      'N',
      4,
    ])
  }
  return m.bytes()
}

/** Uniform numbers; every twelfth sample has one that stands out. */
function data(): Buffer {
  const array = (name: keyof typeof OUTLIERS, seed: number) => {
    const random = randomSource(seed)
    const values = Float32Array.from({ length: SAMPLES * WIDTH }, () => 2 * random() - 1)
    for (let sample = 0; sample < SAMPLES; sample += 12) values[sample * WIDTH + FEATURE] = OUTLIERS[name]
    return { dtype: 'float32' as const, shape: [SAMPLES, WIDTH], data: values }
  }
  return encodeNpz({ idle: array('idle', 1), busy: array('busy', 2) })
}

test('no observer serves both values, and one for each does', async () => {
  const { report, plan } = await runEngine(model(), data(), { calibration: { samples: 100 } })
  const whole = report.search.filter(({ step }) => /^observer \w+$/.test(step))
  const kept = report.search.filter(({ kept }) => kept).at(-1)!
  assert.equal(whole.length, 3)
  for (const { step, sqnr_db } of whole)
    assert.ok(kept.sqnr_db > sqnr_db + 3, `${step}: ${sqnr_db}, chosen: ${kept.sqnr_db}`)
  const reasonOf = (name: string) => plan.values.find(({ value }) => value === name)!.reason
  assert.notEqual(reasonOf('idle'), reasonOf('busy'))
  assert.ok((report.options.method as { exceptions?: object }).exceptions)
  const scaleOf = (name: string) => plan.values.find(({ value }) => value === name)!.scale as number
  assert.ok(scaleOf('idle') < 3 / 255)
  assert.ok(scaleOf('busy') > (0.9 * OUTLIERS.busy) / 256)
})
