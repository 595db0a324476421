/** A student in the middle of a training, of a model made on the spot. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Recipe } from '../../src/contract/recipe.ts'
import { openDataset } from '../../src/engine/data/dataset.ts'
import { calibrationBatches } from '../../src/engine/data/samples.ts'
import { type Gatherer, openGatherer } from '../../src/engine/methods/qat/samples.ts'
import { findSites, weightsByKey } from '../../src/engine/methods/qat/sites.ts'
import { specialize } from '../../src/engine/methods/qat/specialize.ts'
import { AS_BUILT, buildStudent, type ScaleMode, type Student } from '../../src/engine/methods/qat/student.ts'
import { searchStatic } from '../../src/engine/methods/static/search-static.ts'
import { type Built, buildVariant } from '../../src/engine/methods/static/variant.ts'
import { prepare } from '../../src/engine/prepare/index.ts'
import { openRuntime } from '../../src/engine/runtime/ort.ts'
import type { Runtime } from '../../src/engine/runtime/runtime.ts'
import { openWorkspace, type Workspace } from '../../src/engine/runtime/workspace.ts'
import { targetOf } from '../../src/engine/targets/index.ts'
import type { IntegerTarget } from '../../src/engine/targets/target.ts'
import { randomData } from './data.ts'

export interface OpenStudent {
  runtime: Runtime
  workspace: Workspace
  student: Student
  /** holds the first samples */
  gatherer: Gatherer
  /** the quantized model that the student was made from, anew */
  build(): Built
}

interface StudentOptions {
  model: Uint8Array
  /** of one sample of the input x */
  shape: readonly number[]
  target: unknown
  mode: ScaleMode
  batch: number
  /** start from weights that adaptive rounding put on integers */
  rounded?: boolean
}

/** Calibrates on 48 random samples with min/max and gives `use` the student. */
export async function withStudent<T>(options: StudentOptions, use: (opened: OpenStudent) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'fewbit-student-'))
  try {
    const [workspace, runtime] = [openWorkspace(directory), openRuntime(1)]
    writeFileSync(workspace.path('model.onnx'), options.model)
    writeFileSync(workspace.path('data.npz'), randomData(48, options.shape))
    const recipe = Recipe.parse({ target: options.target, method: { type: 'qat' } })
    const target = targetOf(recipe.target) as IntegerTarget
    const prepared = await prepare(workspace.path('model.onnx'), target.min_opset, runtime, workspace)
    const dataset = await openDataset(workspace.path('data.npz'), { arrays: {} })
    const batches = calibrationBatches({ dataset, start: 0, count: 48 }, prepared.inputs, 4)
    const quiet = {
      training: null,
      excludes: () => null,
      progress: () => {},
      now: () => 0,
      searchUntil: 1,
      isStopped: () => false,
    }
    const { common, variant } = await searchStatic(
      { prepared, recipe, target, runtime, workspace, batches, ...quiet },
      target,
      { observer: 'minmax', per_channel: true, bias_correction: false, adaround: options.rounded ?? false } as never,
      batches,
    )
    const gatherer = openGatherer(dataset, prepared.inputs, options.batch)
    gatherer.fill(Array.from({ length: options.batch }, (_, i) => i))
    const built = buildVariant(common, variant)
    const sites = findSites(built)
    await specialize(built.model, gatherer.feeds, runtime, workspace)
    const { unrounded: base } = variant.base
    const unrounded = base ? weightsByKey(buildVariant(common, { ...variant, base })) : AS_BUILT.unrounded
    const student = buildStudent(built, sites, options.mode, { ...AS_BUILT, unrounded })
    return await use({ runtime, workspace, student, gatherer, build: () => buildVariant(common, variant) })
  } finally {
    rmSync(directory, { recursive: true })
  }
}
