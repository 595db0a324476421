/** The stages of a quantization, and the only place that knows their order. */
import type { RunnerSpec } from '../contract/recipe.ts'
import type { PlanDocument, Report } from '../contract/report.ts'
import type { CalibrationBatches } from './data/batches.ts'
import { calibrationData } from './data/calibration.ts'
import { requireValues } from './data/fixed-values.ts'
import { type Halves, type JobData, openData, splitSamples } from './data/split.ts'
import { finishFor } from './methods/finish.ts'
import { METHODS } from './methods/index.ts'
import type { MethodInput, MethodOutput, TrainingInput } from './methods/method.ts'
import { inParts } from './out-of-core/parts.ts'
import { runPasses } from './passes/pass.ts'
import { settleBatch } from './prepare/batch.ts'
import type { Prepared } from './prepare/index.ts'
import { floatReasons } from './prepare/rewrites.ts'
import { fixSizesFor, prepareFor } from './prepare/stage.ts'
import { targetFor } from './prepare/target.ts'
import { createProgressMeter } from './progress.ts'
import { writeArtifact, writeDocuments } from './report/documents.ts'
import { executedInFloat } from './report/executed-in-float.ts'
import { littleQuantized, weightBytesOf } from './report/little-quantized.ts'
import { metricsOf } from './report/metrics.ts'
import { warningsOf } from './report/warnings.ts'
import { type Host, type Run, warn } from './run.ts'
import { closing } from './runtime/closing.ts'
import { openRuntime } from './runtime/ort.ts'
import type { Runtime } from './runtime/runtime.ts'
import { openWorkspace } from './runtime/workspace.ts'
import { floatNames } from './verify/conformance/index.ts'
import { withoutKnownCrash } from './verify/known-crash.ts'
import { verifyArtifact } from './verify/stage.ts'

/** What was made, besides the files. */
export interface Outcome {
  report: Report
  plan: PlanDocument
}

/**
 * Runs one job: reads the files that `spec` names by absolute paths, and writes model, report and plan to `spec.output`, which is there. What is open when
 * it ends for whatever reason is closed. Throws FewbitError, and what `signal` says when it aborts.
 */
export async function runStages(spec: RunnerSpec, host: Host, scratch: string, signal?: AbortSignal): Promise<Outcome> {
  const runtime = closing(openRuntime(spec.threads), signal)
  const data = await openData(spec)
  try {
    return await stages(openRun(spec, host, runtime, scratch), data)
  } finally {
    await runtime.close()
    for (const dataset of Object.values(data)) dataset?.close()
  }
}

async function stages(run: Run, data: JobData): Promise<Outcome> {
  const { spec, progress, target } = run
  progress.report('preparing', 0, 1)
  const readied = await prepareFor(run)
  warn(run, readied.warnings)
  if (readied.large) run.runtime = inParts(run.runtime, run.workspace, spec.memory_bytes)
  const prepared = await settleBatch(run, readied, data)
  for (const dataset of Object.values(data)) if (dataset) requireValues(dataset, spec.recipe.input_values ?? {})
  const split = splitSamples(data, spec.recipe)
  warn(run, split.warnings)
  const batches = await calibrationData(run, prepared, split)
  warn(run, await fixSizesFor(run, prepared, batches))
  const floats = floatNames(prepared.model)
  progress.report('planning', 0, 1)
  const output = await runMethod(run, methodInput(run, prepared, batches, split.training))
  if (!output.keepAsIs) runPasses(output.model, finishFor(target))
  const artifact = writeArtifact(run, output.model)
  const verification = await verifyArtifact(run, prepared, split, artifact)
  progress.report('packaging', 0, 1)
  const bytes = { float: prepared.floatBytes, quantized: artifact.bytes }
  const metrics = metricsOf(target, output, { verification, floats, bytes })
  warn(run, [
    ...verification.warnings,
    ...executedInFloat(output.macsInteger, verification.macs),
    ...warningsOf(metrics, target),
  ])
  const report = writeDocuments(run, prepared, output, metrics)
  progress.report('packaging', 1, 1)
  return { report, plan: output.plan }
}

const openRun = (spec: RunnerSpec, host: Host, runtime: Runtime, scratch: string): Run => ({
  spec,
  host,
  target: targetFor(spec.recipe),
  runtime: withoutKnownCrash(runtime),
  workspace: openWorkspace(scratch),
  progress: createProgressMeter(host.emit, host.now),
  warnings: [],
  searchUntil: searchEnd(spec, host),
})

/** of the time that a job may run, which a search may use up: verifying and packaging come behind it */
const SEARCH_SHARE = 1 / 2

/** A training starts from the same search whenever it runs, and is asked to stop in time itself. */
const searchEnd = ({ recipe, max_seconds: seconds }: RunnerSpec, host: Host): number =>
  seconds === undefined || recipe.method.type === 'qat'
    ? Number.POSITIVE_INFINITY
    : host.now() + 1000 * SEARCH_SHARE * seconds

async function runMethod(run: Run, input: MethodInput): Promise<MethodOutput> {
  const weights = weightBytesOf(input.prepared.model.graph)
  const output = await METHODS[run.spec.recipe.method.type](input)
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
