/** Stage `quantize`: the method that the recipe names, on what the stages before it made. */
import { DynamicMethod } from '../../contract/recipe.ts'
import { FewbitError } from '../../shared/errors.ts'
import type { CalibrationBatches } from '../data/batches.ts'
import type { Halves } from '../data/split.ts'
import { cloneModel } from '../ir/clone.ts'
import type { Model } from '../ir/graph.ts'
import { runPasses } from '../passes/pass.ts'
import type { Prepared } from '../prepare/index.ts'
import { floatReasons } from '../prepare/rewrites.ts'
import { littleQuantized, weightBytesOf } from '../report/little-quantized.ts'
import { type Run, warn } from '../run.ts'
import { withAlternatives } from './alternatives.ts'
import { finishFor } from './finish.ts'
import { METHODS } from './index.ts'
import type { MethodInput, MethodOutput, TrainingInput } from './method.ts'

/** What a method quantizes, and with which data. */
interface Material {
  prepared: Prepared
  batches: CalibrationBatches | null
  training: Halves | null
}

export async function runMethod(run: Run, { prepared, batches, training }: Material): Promise<MethodOutput> {
  const weights = weightBytesOf(prepared.model.graph)
  const input = methodInput(run, prepared, batches, training)
  const output = await METHODS[run.spec.recipe.method.type](input).catch((error: unknown) => {
    throw withAlternatives(error, input)
  })
  warn(run, output.warnings ?? [])
  if (run.target.kind !== 'float') warn(run, littleQuantized(output.plan, weights, output.macsInteger))
  return output
}

/** What dynamic quantization would make of the prepared model, which stays as it is; null where it quantizes nothing. */
export async function dynamicForm(run: Run, prepared: Prepared): Promise<Model | null> {
  const copy = { ...prepared, model: cloneModel(prepared.model) }
  const recipe = { ...run.spec.recipe, method: DynamicMethod.parse({ type: 'dynamic' }) }
  try {
    const { model } = await METHODS.dynamic({ ...methodInput(run, copy, null, null), recipe, progress: () => {} })
    runPasses(model, finishFor(run.target))
    return model
  } catch (error) {
    if (error instanceof FewbitError && error.code === 'nothing_to_quantize') return null
    throw error
  }
}

function methodInput(
  run: Run,
  prepared: Prepared,
  batches: CalibrationBatches | null,
  training: Halves | null,
): MethodInput {
  const { spec, target, runtime, workspace, progress, host, searchUntil } = run
  return {
    prepared,
    recipe: spec.recipe,
    target,
    runtime,
    workspace,
    batches,
    training: training && trainingInput(run, training),
    excludes: floatReasons(spec.recipe, prepared.model),
    progress: progress.report,
    now: host.now,
    searchUntil,
    isStopped: host.isStopped,
  }
}

const trainingInput = ({ spec, host }: Run, halves: Halves): TrainingInput => ({
  ...halves,
  checkpoint: spec.checkpoint ?? null,
  memoryBytes: spec.memory_bytes,
  emit: host.emit,
})
