/** Stage `verify`: loads the artifact, runs it beside the float model on held-out samples and measures what changed. */

import { isDeepStrictEqual } from 'node:util'
import type { MeasuredOn } from '../../contract/measured-on.ts'
import type { MetricName } from '../../contract/recipe.ts'
import type { Metrics, Warning } from '../../contract/report.ts'
import { FewbitError, messageOf } from '../../shared/errors.ts'
import type { Batch } from '../data/samples.ts'
import type { Model } from '../ir/graph.ts'
import { entryOf } from '../ir/list.ts'
import { feedsFor } from '../runtime/feeds.ts'
import type { LoadOptions, RunTensor, Runtime, Session } from '../runtime/runtime.ts'
import type { Workspace } from '../runtime/workspace.ts'
import { type AccuracyMeter, createAccuracyMeter } from './accuracy.ts'
import { changeByCompany } from './company.ts'
import { createFidelityMeter, type FidelityMeter } from './fidelity.ts'
import { countKernels, type ExecutedMacs, executedMacs, type KernelCount } from './kernels.ts'
import { crashesOptimizer } from './known-crash.ts'
import { measureLatency } from './latency.ts'
import type { SampleScores } from './sample-scores.ts'

export interface VerifyInput {
  floatPath: string
  quantizedPath: string
  /** what was written there */
  quantizedModel: Model
  runtime: Runtime
  workspace: Workspace
  /** samples in one run */
  batch: number
  /** held-out samples; null when there is no data */
  batches: AsyncIterable<Batch> | null
  /** the same samples, more of them in each run, where the artifact's results depend on that; null elsewhere */
  together: AsyncIterable<Batch> | null
  /** feeds of one sample for latency, and of everything when there is no data */
  probe: (session: Session) => Promise<Record<string, RunTensor> | null>
  /** what the samples are */
  measuredOn: MeasuredOn
  /** null where the job asks for none */
  metric: MetricName | null
  /** for word error rates */
  wordSeparator: number | null
  /** of an output's classes; null where that is unknown */
  classAxis: (output: string) => number | null
  /** how the artifact is run where its outputs count */
  meaning: LoadOptions
  /** whether ONNX Runtime's kernels on this processor are those of the target */
  isTarget: boolean
  /** whether latency is measured: where the artifact runs says something */
  isTimed: boolean
  machine: string
  now: () => number
  progress: (phase: 'verifying' | 'measuring', done: number) => void
}

export type Verification = Pick<Metrics, 'accuracy' | 'fidelity' | 'latency_ms'> & {
  kernels: KernelCount
  /** what a run multiplied; null where that says nothing of the target, or could not be seen */
  macs: ExecutedMacs | null
  /** of each sample; null where nothing could be compared */
  scores: SampleScores | null
  warnings: Warning[]
  /** of one run, as the float model takes them; null where none were found */
  feeds: Record<string, RunTensor> | null
}

/** Throws verification_failed when the artifact does not load, changes its signature or yields NaN where the float model does not. */
export async function verify(input: VerifyInput): Promise<Verification> {
  const { runtime, workspace } = input
  const optimized = workspace.path('optimized.onnx')
  const float = await runtime.load(input.floatPath, { optimization: 'all' })
  const quantized = await runtime
    .load(input.quantizedPath, { optimization: 'all', saveTo: optimized })
    .catch(failedTo('load'))
  sameSignature(float, quantized)
  const fidelity = createFidelityMeter(
    float.outputs.map(({ name }) => name),
    input.classAxis,
  )
  const scored = float.outputs.find(({ dtype }) => dtype?.startsWith('float'))?.name
  const accuracy =
    input.metric &&
    createAccuracyMeter(input.metric, {
      classAxis: scored ? input.classAxis(scored) : null,
      wordSeparator: input.wordSeparator,
    })
  const warnings: Warning[] = []
  const feeds = await input.probe(float)
  if (feeds) warnings.push(...(await examineFloat(float, feeds)))
  const isMeantOtherwise = input.meaning.floatRounding || (input.meaning.exactProducts && runtime.saturates)
  const judged = isMeantOtherwise ? await runtime.load(input.quantizedPath, input.meaning) : quantized
  if (input.batches) await compareBatches(input, float, judged, fidelity, accuracy)
  else await compareProbe(float, judged, feeds, fidelity, warnings)
  const inBatches = input.together && (await compareTogether(input.together, float, judged))
  if (judged !== quantized) await judged.release()
  if (input.isTimed) input.progress('measuring', 0)
  const latency = feeds && input.isTimed ? await latencyOf(input, float, quantized, feeds) : null
  if (crashesOptimizer(input.quantizedModel)) warnings.push(CRASHES_OPTIMIZER)
  if (latency && (float.time || quantized.time)) warnings.push(MEASURED_IN_PARTS)
  const macs = input.isTarget && feeds && (await executedMacs(runtime, input.quantizedPath, feedsFor(quantized, feeds)))
  await Promise.all([float.release(), quantized.release()])
  const found = fidelity.result()
  return {
    fidelity: found && { ...found, batch: input.batch, in_batches: inBatches, measured_on: input.measuredOn },
    accuracy: accuracy?.result() ?? null,
    scores: scoresOf(input, accuracy, fidelity),
    latency_ms: latency,
    kernels: countKernels(quantized.saved ?? [optimized]),
    macs: macs || null,
    warnings,
    feeds,
  }
}

/** Against labels where there are any, else against the float model's outputs. */
function scoresOf(
  { metric, measuredOn }: VerifyInput,
  accuracy: AccuracyMeter | null,
  fidelity: FidelityMeter,
): SampleScores | null {
  const scores = accuracy?.scores() ?? fidelity.scores(metric === 'cosine' || metric === 'mse')
  return scores && { ...scores, measured_on: measuredOn }
}

const CRASHES_OPTIMIZER: Warning = {
  code: 'crashes_cpu_optimizer',
  detail:
    'ONNX Runtime 1.30 crashes when it loads this float16 model on a CPU with all optimizations: set the graph optimization level to extended there. GPUs are not affected.',
}

const MEASURED_IN_PARTS: Warning = {
  code: 'measured_in_parts',
  detail:
    'the model is too large for the memory of the job, so that it ran in parts: its latency is the sum of theirs, without the time that loading them took',
}

/** What the float model itself does that makes every comparison with it doubtful. */
async function examineFloat(float: Session, feeds: Record<string, RunTensor>): Promise<Warning[]> {
  const [once, again] = [await float.run(feeds), await float.run(feeds)]
  const names = Object.keys(once)
  const moving = names.find(
    (name) =>
      !isDeepStrictEqual(entryOf(once, name).data, entryOf(again, name).data) && isAllFinite(entryOf(once, name)),
  )
  const undefinedOutput = names.find((name) => !isAllFinite(entryOf(once, name)))
  return [
    ...(moving === undefined
      ? []
      : [{ code: 'not_deterministic', detail: `output "${moving}" of the float model differs between two runs` }]),
    ...(undefinedOutput === undefined
      ? []
      : [{ code: 'float_not_finite', detail: `output "${undefinedOutput}" of the float model holds NaN or infinity` }]),
  ]
}

function sameSignature(float: Session, quantized: Session): void {
  const names = (session: Session) =>
    JSON.stringify([session.inputs.map(({ name }) => name), session.outputs.map(({ name }) => name)])
  if (names(float) !== names(quantized)) {
    throw new FewbitError(
      'verification_failed',
      `The quantized model has other inputs or outputs: ${names(quantized)} instead of ${names(float)}.`,
      { stage: 'verify' },
    )
  }
}

async function compareBatches(
  input: VerifyInput,
  float: Session,
  quantized: Session,
  fidelity: FidelityMeter,
  accuracy: AccuracyMeter | null,
): Promise<void> {
  const first = float.outputs.find(({ dtype }) => dtype?.startsWith('float'))?.name
  let done = 0
  for await (const batch of input.batches ?? []) {
    const { count, labels } = batch
    const [a, b] = [await runBatch(float, batch), await runBatch(quantized, batch).catch(failedTo('run'))]
    rejectNonFinite(a, b)
    fidelity.add(a, b, count)
    if (first !== undefined) accuracy?.add(entryOf(a, first), entryOf(b, first), count, labels)
    done += count
    input.progress('verifying', done)
  }
}

/** Throws verification_failed: what fails is the artifact, whatever the float model does. */
const failedTo =
  (verb: 'load' | 'run') =>
  (error: unknown): never => {
    throw new FewbitError('verification_failed', `The quantized model does not ${verb}: ${messageOf(error)}`, {
      stage: 'verify',
      cause: error,
      hint: 'let the node that is named stay float (exclude.nodes), or choose another method or target',
    })
  }

const runBatch = async (session: Session, { feeds, size, count }: Batch) =>
  firstRows(await session.run(feedsFor(session, feeds)), size, count)

/** Where samples share a range. */
async function compareTogether(batches: AsyncIterable<Batch>, float: Session, quantized: Session) {
  const meter = createFidelityMeter(float.outputs.map(({ name }) => name))
  let most = 0
  let change: number | null = null
  for await (const batch of batches) {
    change ??= await changeByCompany(quantized, batch)
    most = Math.max(most, batch.count)
    meter.add(await runBatch(float, batch), await runBatch(quantized, batch), batch.count)
  }
  const sqnr = meter.sqnr()
  return sqnr === null ? null : { batch: most, sqnr_db: sqnr, max_change: change }
}

/** The results without those of samples that fill a fixed batch up. */
function firstRows(results: Record<string, RunTensor>, size: number, count: number): Record<string, RunTensor> {
  if (count === size) return results
  const cut = (tensor: RunTensor): RunTensor => {
    const { dims, data } = tensor
    if (dims[0] !== size) return tensor
    return { ...tensor, dims: [count, ...dims.slice(1)], data: data.slice(0, (data.length / size) * count) }
  }
  return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, cut(tensor)]))
}

async function compareProbe(
  float: Session,
  quantized: Session,
  feeds: Record<string, RunTensor> | null,
  fidelity: FidelityMeter,
  warnings: Warning[],
): Promise<void> {
  if (!feeds) {
    throw new FewbitError(
      'verification_failed',
      'No inputs were found on which the float model runs, so that nothing could be compared.',
      {
        stage: 'verify',
        hint: 'name an evaluation data set',
      },
    )
  }
  warnings.push({
    code: 'synthetic_inputs',
    detail: 'fidelity was measured on one made-up input, because the job names no data set',
  })
  const [a, b] = [await float.run(feeds), await quantized.run(feedsFor(quantized, feeds)).catch(failedTo('run'))]
  rejectNonFinite(a, b)
  fidelity.add(a, b, 1)
}

function rejectNonFinite(float: Record<string, RunTensor>, quantized: Record<string, RunTensor>): void {
  for (const [name, tensor] of Object.entries(quantized)) {
    if (isAllFinite(entryOf(float, name)) && !isAllFinite(tensor)) {
      throw new FewbitError(
        'verification_failed',
        `Output "${name}" of the quantized model holds NaN or infinity where the float model does not.`,
        {
          stage: 'verify',
          hint: 'exclude the nodes that overflow (exclude.nodes), or choose another method',
        },
      )
    }
  }
}

function isAllFinite({ data, dtype }: RunTensor): boolean {
  if (data instanceof Uint16Array && dtype === 'float16') return data.every((half) => (half & 0x7c00) !== 0x7c00)
  return !(data instanceof Float32Array || data instanceof Float64Array) || data.every(Number.isFinite)
}

function latencyOf(input: VerifyInput, float: Session, quantized: Session, feeds: Record<string, RunTensor>) {
  const quantizedFeeds = feedsFor(quantized, feeds)
  const { runtime, machine, now } = input
  return measureLatency({
    float,
    quantized,
    floatFeeds: feeds,
    quantizedFeeds,
    threads: runtime.threads,
    batch: 1,
    measuredOn: machine,
    now,
  })
}
