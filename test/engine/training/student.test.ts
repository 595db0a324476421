/** The student computes what the artifact computes, whatever the numbers: one in float with rounding, the other in ONNX Runtime's integers. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { openDataset } from '../../../src/engine/data/dataset.ts'
import { float32 } from '../../../src/engine/ir/tensor.ts'
import { searchStatic } from '../../../src/engine/methods/search-static.ts'
import { buildVariant } from '../../../src/engine/methods/variant.ts'
import { prepare } from '../../../src/engine/prepare.ts'
import { Recipe } from '../../../src/engine/recipe.ts'
import { openRuntime } from '../../../src/engine/runtime/ort.ts'
import { calibrationBatches } from '../../../src/engine/samples.ts'
import { randomSource } from '../../../src/engine/synthetic.ts'
import { targetOf } from '../../../src/engine/targets/index.ts'
import type { IntegerTarget } from '../../../src/engine/targets/target.ts'
import { writeTrained } from '../../../src/engine/training/artifact.ts'
import type { Parameter } from '../../../src/engine/training/parameter.ts'
import { lowerPseudoOperators } from '../../../src/engine/training/pseudo.ts'
import { openGatherer } from '../../../src/engine/training/samples.ts'
import { findSites } from '../../../src/engine/training/sites.ts'
import { specialize } from '../../../src/engine/training/specialize.ts'
import { buildStudent, type ScaleMode } from '../../../src/engine/training/student.ts'
import { createFidelityMeter } from '../../../src/engine/verify/fidelity.ts'
import { openWorkspace } from '../../../src/engine/workspace.ts'
import { randomData } from '../../kit/data.ts'
import { convNet, IMAGE, mlp } from '../../kit/model.ts'

const SAMPLES = 16

/** SQNR of the artifact's outputs against the student's, both with the same disturbed numbers. */
async function compare(bytes: Uint8Array, shape: readonly number[], target: unknown, mode: ScaleMode) {
  const directory = mkdtempSync(join(tmpdir(), 'fewbit-student-'))
  try {
    const [workspace, runtime] = [openWorkspace(directory), openRuntime(1)]
    writeFileSync(workspace.path('model.onnx'), bytes)
    writeFileSync(workspace.path('data.npz'), randomData(48, shape))
    const recipe = Recipe.parse({ target, method: { type: 'qat' } })
    const found = targetOf(recipe.target) as IntegerTarget
    const prepared = await prepare(workspace.path('model.onnx'), found.min_opset, runtime, workspace)
    const dataset = await openDataset(workspace.path('data.npz'), { arrays: {} })
    const batches = calibrationBatches({ dataset, start: 0, count: 48 }, prepared.inputs, 4)
    const input = { prepared, recipe, target: found, runtime, workspace, batches, training: null, excludes: () => null }
    const options = { observer: 'minmax', per_channel: true, bias_correction: false } as never
    const progress = { progress: () => {}, now: () => 0 }
    const { common, variant } = await searchStatic({ ...input, ...progress }, found, options, batches)
    const gatherer = openGatherer(dataset, prepared.inputs, SAMPLES)
    gatherer.fill(Array.from({ length: SAMPLES }, (_, i) => i))
    const built = buildVariant(common, variant)
    const sites = findSites(built)
    const sizes = new Map(Object.entries(gatherer.feeds).map(([name, { dims }]) => [name, dims]))
    await specialize(built.model, sizes, runtime, workspace)
    const student = buildStudent(built, sites, mode, false)
    const numbers = new Map(student.parameters.map((parameter) => [parameter.key, disturbed(parameter)]))
    for (const { key, value, shape } of student.parameters) {
      value.tensor = float32(shape, numbers.get(key)!)
      student.model.graph.addInitializer(value)
    }
    lowerPseudoOperators(student.model)
    const artifact = buildVariant(common, variant)
    const kinds = new Map(student.parameters.map(({ key, kind }) => [key, kind]))
    writeTrained(artifact, { numbers, kinds, fixedScales: mode === 'fixed' })
    const run = async (name: string, floatRounding: boolean) => {
      const model = floatRounding ? student.model : artifact.model
      const session = await runtime.load(workspace.save(name, model), {
        optimization: 'all',
        ...(floatRounding && { floatRounding: true }),
      })
      const outputs = await session.run(gatherer.feeds)
      await session.release()
      return outputs
    }
    const [expected, results] = [await run('student.onnx', true), await run('artifact.onnx', false)]
    const meter = createFidelityMeter(Object.keys(expected))
    meter.add(expected, results, SAMPLES)
    return { kinds: new Set(kinds.values()), ...meter.result()! }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

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

const TARGETS: Record<string, unknown> = {
  'cpu-int8': 'cpu-int8',
  'weights of 4 bits': profile({}, { bits: 4 }),
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

  test('matrix products without biases', async () => {
    const { sqnr_db } = await compare(mlp(), [8], 'cpu-int8', 'learned')
    assert.ok(sqnr_db > 35, `${sqnr_db} dB`)
  })
})
