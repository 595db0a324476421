/** The student computes what the artifact computes, whatever the numbers: one in float with rounding, the other in ONNX Runtime's integers. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { randomSource } from '../../../../src/engine/data/synthetic.ts'
import type { Model } from '../../../../src/engine/ir/graph.ts'
import { float32 } from '../../../../src/engine/ir/tensor.ts'
import { scaleOfGroup, writeTrained } from '../../../../src/engine/methods/qat/artifact.ts'
import type { Parameter } from '../../../../src/engine/methods/qat/parameter.ts'
import { lowerPseudoOperators } from '../../../../src/engine/methods/qat/pseudo.ts'
import { findSites } from '../../../../src/engine/methods/qat/sites.ts'
import type { ScaleMode } from '../../../../src/engine/methods/qat/student.ts'
import type { LoadOptions } from '../../../../src/engine/runtime/runtime.ts'
import { createFidelityMeter } from '../../../../src/engine/verify/fidelity.ts'
import { convNet, IMAGE, mlp } from '../../../kit/model.ts'
import { withStudent } from '../../../kit/student.ts'

const SAMPLES = 16

/** The artifact's outputs against the student's, both with the same disturbed numbers. */
const compare = (model: Uint8Array, shape: readonly number[], target: unknown, mode: ScaleMode) =>
  withStudent(
    { model, shape, target, mode, batch: SAMPLES },
    async ({ student, build, runtime, workspace, gatherer }) => {
      const numbers = new Map(student.parameters.map((parameter) => [parameter.key, disturbed(parameter)]))
      for (const { key, value, shape } of student.parameters) {
        value.tensor = float32(shape, numbers.get(key)!)
        student.model.graph.addInitializer(value)
      }
      lowerPseudoOperators(student.model)
      const artifact = build()
      const kinds = new Map(student.parameters.map(({ key, kind }) => [key, kind]))
      writeTrained(artifact, { numbers, kinds, fixedScales: mode === 'fixed' })
      const run = async (model: Model, options: LoadOptions) => {
        const session = await runtime.load(workspace.save('one-of-both.onnx', model), options)
        const outputs = await session.run(gatherer.feeds)
        await session.release()
        return outputs
      }
      const expected = await run(student.model, { optimization: 'all', floatRounding: true })
      const meter = createFidelityMeter(Object.keys(expected))
      meter.add(expected, await run(artifact.model, { optimization: 'all', exactProducts: true }), SAMPLES)
      return { kinds: new Set(kinds.values()), ...meter.result()! }
    },
  )

/** As training may leave it: everything elsewhere by some per cent, exponents off their integers. */
function disturbed({ initial, kind }: Parameter): Float32Array {
  const random = randomSource(5)
  return initial.map((x) => (kind === 'exponent' ? x + random() - 0.5 : x * (1 + 0.1 * random())))
}

const profile = (activation: object, weight: object) => ({
  id: 'profile',
  activation: { dtype: 'uint8', symmetric: false, ...activation },
  weight: { dtype: 'int8', symmetric: true, granularity: 'channel', ...weight },
})

const FEW_BITS = profile({}, { bits: 4 })

const TARGETS: Record<string, unknown> = {
  'cpu-int8': 'cpu-int8',
  'weights of 4 bits': FEW_BITS,
  'activations of 5 bits': profile({ bits: 5 }, { bits: 5, granularity: 'tensor' }),
  'activations of 16 bits': profile({ dtype: 'uint16' }, {}),
  'powers of two': profile({ dtype: 'int8', symmetric: true, scale: 'power_of_two' }, { scale: 'power_of_two' }),
}

describe('the student agrees with the artifact', () => {
  for (const [name, target] of Object.entries(TARGETS)) {
    for (const mode of ['learned', 'followed'] as const) {
      test(`${name}, scales ${mode}`, async () => {
        const { sqnr_db, agreement, kinds } = await compare(convNet({ width: 8 }), IMAGE, target, mode)
        assert.ok(sqnr_db > 35, `${sqnr_db} dB`)
        assert.ok(agreement! >= 15 / SAMPLES, `${agreement}`)
        assert.equal(kinds.has('range'), mode === 'followed')
      })
    }
  }

  for (const [name, target] of Object.entries(TARGETS)) {
    test(`${name}: a range that has not moved yet is the scale that calibration chose`, () =>
      withStudent(
        { model: mlp(), shape: [8], target, mode: 'followed', batch: SAMPLES },
        async ({ student, build }) => {
          const ranges = student.parameters.filter(({ kind }) => kind === 'range')
          const numbers = new Map(ranges.map(({ key, initial }) => [key, initial]))
          const kinds = new Map(ranges.map(({ key, kind }) => [key, kind]))
          assert.ok(ranges.length > 0)
          for (const group of findSites(build()).groups) {
            const { scale, zeroPoint } = scaleOfGroup(group, { numbers, kinds, fixedScales: false })
            assert.ok(Math.abs(scale / group.scale - 1) < 1e-4, `${scale} instead of ${group.scale}`)
            assert.equal(zeroPoint, group.zeroPoint)
          }
        },
      ))
  }

  test('matrix products without biases', async () => {
    const { sqnr_db } = await compare(mlp(), [8], 'cpu-int8', 'learned')
    assert.ok(sqnr_db > 35, `${sqnr_db} dB`)
  })
})

describe('weights that adaptive rounding put on integers', () => {
  test('start off their integers and are rounded to them all the same', () =>
    withStudent(
      { model: convNet({ width: 8 }), shape: IMAGE, target: FEW_BITS, mode: 'learned', batch: SAMPLES, rounded: true },
      async ({ student, build }) => {
        const initial = new Map(student.parameters.map((parameter) => [parameter.key, parameter.initial]))
        const artifact = build()
        const weights = findSites(artifact).constants.filter(({ plan }) => plan.role === 'weight')
        const before = new Map(weights.map(({ key, dequantize }) => [key, dequantize.inputs[0]!.tensor!.data]))
        const moved = weights.filter(({ key, values }) => values.some((x, i) => x !== initial.get(key)![i]))
        assert.ok(moved.length > 0)
        writeTrained(artifact, { numbers: initial, kinds: new Map(), fixedScales: true })
        for (const { key, dequantize } of weights)
          assert.deepEqual(dequantize.inputs[0]!.tensor!.data, before.get(key), key)
      },
    ))
})
