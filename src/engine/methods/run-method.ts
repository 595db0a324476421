/** Stage `quantize`: the method that the recipe names, on what the stages before it made. */
import type { CalibrationBatches } from '../data/batches.ts'
import type { Halves } from '../data/split.ts'
import type { Prepared } from '../prepare/index.ts'
import { floatReasons } from '../prepare/rewrites.ts'
import { littleQuantized, weightBytesOf } from '../report/little-quantized.ts'
import { type Run, warn } from '../run.ts'
import { withAlternatives } from './alternatives.ts'
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
