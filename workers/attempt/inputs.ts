/** Copies a job's inputs into its directory and tells the runner what they are. */
import { mkdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { factsOf } from '../../src/contract/method-facts.ts'
import { DatasetSpec } from '../../src/contract/recipe.ts'
import type { RunnerSpec } from '../../src/contract/runner-protocol.ts'
import type { Deps } from '../../src/deps.ts'
import type { JobRecord } from '../../src/jobs/record/job.ts'
import { FewbitError } from '../../src/shared/errors.ts'
import { placeBest } from './rung.ts'

type Dataset = JobRecord['inputs']['calibration']

/** file in the job's directory with the state of training */
export const CHECKPOINT = 'training.checkpoint'

const PLAIN_NAME = /^[^/\\\0]{1,255}$/

/** The model becomes `model.onnx`, its external data keep their names beside it, output goes to `out`. */
export async function placeInputs(deps: Deps, job: JobRecord, directory: string): Promise<RunnerSpec> {
  const [model, ...external] = job.inputs.model
  if (!model) throw new FewbitError('internal', 'the job has no model')
  await place(deps, model.sha256, join(directory, 'model.onnx'))
  for (const { path, sha256 } of external) await place(deps, sha256, join(directory, plain(path)))
  await mkdir(join(directory, 'out'))
  await placeBest(deps, job, directory)
  return {
    recipe: job.options,
    model: 'model.onnx',
    ...(await placeDataset(deps, directory, 'calibration', job.inputs.calibration)),
    ...(await placeDataset(deps, directory, 'training', job.inputs.training)),
    ...(await placeDataset(deps, directory, 'evaluation', job.inputs.evaluation)),
    ...(factsOf(job.options.method).hasCheckpoint && { checkpoint: await placeCheckpoint(deps, job, directory) }),
    ...(job.comparison_id !== null && { scores: true }),
    ...(job.best_so_far.length > 0 && { climbed: job.attempts_made }),
    output: 'out',
    threads: deps.config.RUNNER_THREADS,
    memory_bytes: deps.config.RUNNER_MEMORY_BYTES,
    max_seconds: job.limits.max_runtime_seconds,
  }
}

/** Where training writes its state; what an earlier attempt left is there already. */
async function placeCheckpoint(deps: Deps, { checkpoint }: JobRecord, directory: string): Promise<string> {
  if (checkpoint) await place(deps, checkpoint.sha256, join(directory, CHECKPOINT))
  return CHECKPOINT
}

async function placeDataset(
  deps: Deps,
  directory: string,
  name: 'calibration' | 'training' | 'evaluation',
  dataset: Dataset,
): Promise<Partial<RunnerSpec>> {
  if (!dataset) return {}
  const path = `${name}.npz`
  await place(deps, dataset.sha256, join(directory, path))
  const { spec, part } = dataset
  return { [name]: { path, spec: DatasetSpec.parse(spec ?? {}), ...(part && { part }) } }
}

/** The job's references hold its inputs: what is missing nevertheless is missing by a fault of the store. */
async function place({ store }: Deps, sha256: string, path: string): Promise<void> {
  await store.copyTo(sha256, path).catch((error) => {
    if (!(error instanceof FewbitError) || error.code !== 'not_found') throw error
    throw new FewbitError('store_unavailable', `the store does not have the job's ${basename(path)} at the moment`)
  })
}

function plain(name: string): string {
  if (PLAIN_NAME.test(name) && !name.startsWith('.')) return name
  throw new FewbitError('model_external_data', `${name} is not a plain file name`)
}
