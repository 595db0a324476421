/** Stage `verify` on the samples that a split holds out, or on made-up numbers where there are none. */
import { factsOf } from '../../contract/method-facts.ts'
import { type Batch, batchesOf, batchSizeFor, comfortableBatch, type Samples } from '../data/samples.ts'
import type { Split } from '../data/split.ts'
import { findFeeds } from '../data/synthetic.ts'
import type { Model } from '../ir/graph.ts'
import type { Prepared } from '../prepare/index.ts'
import type { Run } from '../run.ts'
import type { RunTensor, Session } from '../runtime/runtime.ts'
import { runsHere } from '../targets/target.ts'
import { classAxis } from './class-axis.ts'
import { meaningOn } from './meaning.ts'
import { type Verification, verify } from './verify.ts'

/** samples in one run where the model leaves the number open */
const BATCH = 32

/** Verifies the artifact that was written to `path`. Throws verification_failed. */
export function verifyArtifact(
  { spec, target, runtime, workspace, host, progress }: Run,
  prepared: Prepared,
  { verifying }: Split,
  { path, model }: { path: string; model: Model },
): Promise<Verification> {
  const heldOut = verifying?.samples ?? null
  const total = heldOut?.count ?? 1
  const { rangesAtRunTime } = factsOf(spec.recipe.method)
  const shares = prepared.sharing === 'rows'
  const most = rangesAtRunTime || !shares ? 1 : BATCH
  const batch = heldOut ? comfortableBatch(heldOut.dataset, prepared.inputs, most) : 1
  progress.report('verifying', 0, total)
  return verify({
    floatPath: prepared.floatPath,
    quantizedPath: path,
    quantizedModel: model,
    runtime,
    workspace,
    batch: heldOut ? batchSizeFor(prepared.inputs, heldOut.dataset, batch) : 1,
    batches: heldOut && batchesOf(heldOut, prepared.inputs, batch),
    together: heldOut && rangesAtRunTime && shares ? together(heldOut, prepared.inputs) : null,
    probe: (session) => probeFor(session, prepared.inputs, heldOut, spec.recipe.seed),
    measuredOn: verifying?.measuredOn ?? 'synthetic',
    metric: spec.recipe.evaluation?.metric ?? null,
    wordSeparator: spec.recipe.evaluation?.word_separator ?? null,
    classAxis: (output) => classAxis(prepared.model.graph.outputs.find(({ name }) => name === output)),
    meaning: meaningOn(target),
    isTarget: runsHere(target),
    isTimed: spec.recipe.format === 'onnx',
    machine: host.machine,
    now: host.now,
    progress: (phase, done) => progress.report(phase, done, phase === 'verifying' ? total : 1),
  })
}

/** Held-out samples with as many in each run as are comfortable; null where that is one. */
function together(samples: Samples, inputs: Prepared['inputs']): AsyncIterable<Batch> | null {
  const most = Math.min(comfortableBatch(samples.dataset, inputs, BATCH), samples.count)
  const size = batchSizeFor(inputs, samples.dataset, most)
  return size > 1 && size === most ? batchesOf(samples, inputs, size) : null
}

/** One held-out sample, or made-up numbers. */
async function probeFor(
  session: Session,
  inputs: Prepared['inputs'],
  samples: Samples | null,
  seed: number,
): Promise<Record<string, RunTensor> | null> {
  if (!samples) return findFeeds(session, seed)
  for await (const { feeds } of batchesOf(samples, inputs, 1)) return feeds
  return null
}
