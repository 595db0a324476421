/** Stage `verify` on the samples that a split holds out, or on made-up numbers where there are none. */
import { factsOf } from '../../contract/method-facts.ts'
import { batchesOf, comfortableBatch, type Samples } from '../data/samples.ts'
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
  const most = factsOf(spec.recipe.method).dependsOnBatch || prepared.sharing !== 'rows' ? 1 : BATCH
  const batch = heldOut ? comfortableBatch(heldOut.dataset, prepared.inputs, most) : 1
  progress.report('verifying', 0, total)
  return verify({
    floatPath: prepared.floatPath,
    quantizedPath: path,
    quantizedModel: model,
    runtime,
    workspace,
    batches: heldOut && batchesOf(heldOut, prepared.inputs, batch),
    probe: (session) => probeFor(session, prepared.inputs, heldOut, spec.recipe.seed),
    measuredOn: verifying?.measuredOn ?? 'synthetic',
    metric: spec.recipe.evaluation?.metric ?? 'agreement',
    classAxis: (output) => classAxis(prepared.model.graph.outputs.find(({ name }) => name === output)),
    meaning: meaningOn(target),
    isTarget: runsHere(target),
    machine: host.machine,
    now: host.now,
    progress: (phase, done) => progress.report(phase, done, phase === 'verifying' ? total : 1),
  })
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
