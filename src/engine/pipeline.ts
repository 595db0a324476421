/** The stages of a quantization, and the only place that knows their order. */

import type { PlanDocument, Report } from '../contract/report.ts'
import type { RunnerSpec } from '../contract/runner-protocol.ts'
import { calibrationData } from './data/calibration.ts'
import { requireValues } from './data/fixed-values.ts'
import { type JobData, openData, splitSamples } from './data/split.ts'
import { makeTflite } from './formats/tflite.ts'
import { finishFor } from './methods/finish.ts'
import { dynamicForm, runMethod } from './methods/run-method.ts'
import { openRun } from './open-run.ts'
import { inParts } from './out-of-core/parts.ts'
import { runPasses } from './passes/pass.ts'
import { settleBatch } from './prepare/batch.ts'
import { fixSizesFor, prepareFor } from './prepare/stage.ts'
import { writeArtifact, writeDocuments } from './report/documents.ts'
import { executedInFloat } from './report/executed-in-float.ts'
import { inBrowsers } from './report/in-browsers.ts'
import { metricsOf } from './report/metrics.ts'
import { saturatingProcessor } from './report/saturating-processor.ts'
import { slowerThanFloat } from './report/slower-than-float.ts'
import { warningsOf } from './report/warnings.ts'
import { type Host, type Run, warn } from './run.ts'
import { closing } from './runtime/closing.ts'
import { openRuntime } from './runtime/ort.ts'
import { refuseUnconvertible } from './tflite/index.ts'
import { verifyInBrowsers } from './verify/browser/stage.ts'
import { floatNames } from './verify/conformance/index.ts'
import { checkLabels } from './verify/labels.ts'
import type { SampleScores } from './verify/sample-scores.ts'
import { verifyArtifact } from './verify/stage.ts'

/** What was made, besides the files. */
export interface Outcome {
  report: Report
  plan: PlanDocument
  scores: SampleScores | null
}

/**
 * Runs one job: reads the files that `spec` names by absolute paths, and writes model, report and plan to `spec.output`, which is there. What is open when
 * it ends for whatever reason is closed. Throws FewbitError, and what `signal` says when it aborts.
 */
export async function runStages(spec: RunnerSpec, host: Host, scratch: string, signal?: AbortSignal): Promise<Outcome> {
  const runtime = closing(openRuntime(spec.threads), signal)
  const data = await openData(spec, { scratch, onDecoded: decodingTo(host) })
  try {
    return await stages(openRun(spec, host, runtime, scratch), data)
  } finally {
    await runtime.close()
    for (const dataset of Object.values(data)) dataset?.close()
  }
}

/** Pictures are decoded before anything else begins. */
const decodingTo =
  ({ emit }: Host) =>
  (step: number, total_steps: number) => {
    if (step % DECODED_BETWEEN !== 0 && step !== total_steps) return
    const message = `decoding pictures (${step} of ${total_steps})`
    emit({ type: 'progress', phase: 'preparing', fraction: 0, step, total_steps, message })
  }

/** pictures from one message to the next */
const DECODED_BETWEEN = 50

async function stages(run: Run, data: JobData): Promise<Outcome> {
  const { spec, progress, target } = run
  progress.report('preparing', 0, 1)
  const readied = await prepareFor(run)
  warn(run, readied.warnings)
  if (spec.recipe.format === 'tflite') refuseUnconvertible(readied.model.graph)
  if (readied.large) run.runtime = inParts(run.runtime, run.workspace, spec.memory_bytes)
  const prepared = await settleBatch(run, readied, data)
  for (const dataset of Object.values(data)) if (dataset) requireValues(dataset, spec.recipe.input_values ?? {})
  warn(run, await checkLabels(run, prepared, data.evaluation))
  const split = splitSamples(data, spec.recipe)
  warn(run, split.warnings)
  const batches = await calibrationData(run, prepared, split)
  warn(run, await fixSizesFor(run, prepared, batches))
  const floats = floatNames(prepared.model)
  progress.report('planning', 0, 1)
  const output = await runMethod(run, { prepared, batches, training: split.training })
  if (!output.keepAsIs) runPasses(output.model, finishFor(target))
  const artifact = writeArtifact(run, output.model)
  const simulated = await verifyArtifact(run, prepared, split, artifact)
  const tflite = spec.recipe.format === 'tflite' ? await makeTflite(run, prepared, split, artifact) : null
  const verification = { ...simulated, ...tflite?.verification }
  const runtimes = await verifyInBrowsers(run, prepared, split, artifact, verification)
  progress.report('packaging', 0, 1)
  const bytes = { float: prepared.floatBytes, quantized: tflite?.bytes ?? artifact.bytes }
  const litert = tflite?.litert ?? null
  const metrics = metricsOf(target, output, { verification, runtimes, litert, floats, bytes })
  warn(run, [
    ...verification.warnings,
    ...saturatingProcessor(target, spec.recipe, run.runtime.saturates),
    ...inBrowsers(metrics),
    ...executedInFloat(output.macsInteger, verification.macs),
    ...(await slowerThanFloat(run, { prepared, artifact, verification, dynamic: () => dynamicForm(run, prepared) })),
    ...warningsOf({ recipe: spec.recipe, target, metrics, output }),
  ])
  const report = writeDocuments(run, prepared, output, metrics)
  progress.report('packaging', 1, 1)
  return { report, plan: output.plan, scores: verification.scores }
}
