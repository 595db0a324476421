/** The library's verb: one quantization from paths or bytes to paths or bytes. */
import { mkdirSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { DatasetSpec } from '../contract/recipe.ts'
import type { PlanDocument, Report } from '../contract/report.ts'
import type { RunnerMessage, RunnerSpec } from '../contract/runner-protocol.ts'
import { openDataset } from './data/dataset.ts'
import { asFewbitError } from './errors.ts'
import { bytesOf, intoDirectory, pathOf, withScratch } from './files.ts'
import { type Data, dataOf, type QuantizeOptions, recipeOf, type Source } from './options.ts'
import { type Outcome, runStages } from './pipeline.ts'
import type { Host } from './run.ts'

/** What a quantization made. */
export interface Quantized {
  /** the bytes of the quantized ONNX model */
  artifact: Uint8Array
  /** sizes, speed, fidelity, accuracy, coverage and warnings, with every `auto` resolved */
  report: Report
  /** what became of every node and value, and why */
  plan: PlanDocument
}

/** The same with the files in `output`. */
export interface QuantizedFiles {
  /** the absolute path of the quantized ONNX model; weights past 2 GiB lie in a file beside it */
  artifact: string
  report: Report
  plan: PlanDocument
  /** absolute paths of everything that was written: the model, `report.json`, `report.html`, `plan.json` */
  files: string[]
}

/**
 * Quantizes an ONNX model for a target, and verifies the result on ONNX Runtime. Paths are relative to the current directory at the
 * time of the call, which is not changed; external data of a model lies beside it. Throws FewbitError and nothing else.
 */
export function quantize(model: Source, options: QuantizeOptions & { output: string }): Promise<QuantizedFiles>
export function quantize(model: Source, options: QuantizeOptions & { output?: undefined }): Promise<Quantized>
export function quantize(model: Source, options: QuantizeOptions): Promise<Quantized | QuantizedFiles>
export async function quantize(model: Source, options: QuantizeOptions): Promise<Quantized | QuantizedFiles> {
  const { output, overwrite = false, signal } = options
  const stage = { name: 'starting' }
  try {
    signal?.throwIfAborted()
    return await withScratch(options.scratch, async (scratch) => {
      const run = (directory: string) => quantizeInto(model, options, scratch, directory, stage)
      if (output === undefined) {
        const directory = join(scratch, 'out')
        mkdirSync(directory, { recursive: true })
        const outcome = await run(directory)
        return { artifact: bytesOf(directory), ...outcome }
      }
      const { files, ...outcome } = await intoDirectory(output, overwrite, run)
      return { artifact: files[0] ?? output, ...outcome, files }
    })
  } catch (error) {
    throw asFewbitError(error, stage.name, signal)
  }
}

async function quantizeInto(
  model: Source,
  options: QuantizeOptions,
  scratch: string,
  output: string,
  stage: { name: string },
): Promise<Outcome> {
  const place = (name: keyof Sets, given: Source | Data | undefined) => placeData(dataOf(given), scratch, name)
  const sets = {
    ...place('calibration', options.calibration),
    ...place('training', options.training),
    ...place('evaluation', options.evaluation),
  }
  const spec: RunnerSpec = {
    recipe: recipeOf(options, await labelsOf(sets.evaluation)),
    model: pathOf(model, scratch, 'source.onnx'),
    ...sets,
    output,
    threads: options.threads ?? availableParallelism(),
    ...(options.checkpoint !== undefined && { checkpoint: resolve(options.checkpoint) }),
    ...(options.memoryBytes !== undefined && { memory_bytes: options.memoryBytes }),
    ...(options.maxSeconds !== undefined && { max_seconds: options.maxSeconds }),
  }
  return runStages(spec, hostOf(options, stage), scratch, options.signal)
}

type Sets = Pick<RunnerSpec, 'calibration' | 'training' | 'evaluation'>

const placeData = (given: Data | undefined, scratch: string, name: keyof Sets): Sets =>
  given
    ? {
        [name]: { path: pathOf(given.data, scratch, `${name}.npz`), spec: DatasetSpec.parse({ arrays: given.arrays }) },
      }
    : {}

async function labelsOf(evaluation: Sets['evaluation']) {
  if (!evaluation) return null
  const dataset = await openDataset(evaluation.path, evaluation.spec)
  dataset.close()
  return dataset.labels ?? null
}

function hostOf(options: QuantizeOptions, stage: { name: string }): Host {
  const { signal, stop } = options
  return {
    emit: (message) => {
      if (message.type === 'progress') stage.name = message.phase
      tell(options, message)
      signal?.throwIfAborted()
    },
    now: options.now ?? (() => performance.now()),
    machine: cpus()[0]?.model.trim() ?? 'unknown processor',
    isStopped: typeof stop === 'function' ? stop : () => stop?.aborted ?? false,
  }
}

function tell(options: QuantizeOptions, message: RunnerMessage): void {
  if (message.type === 'progress') options.onProgress?.(message)
  else if (message.type === 'training') options.onTraining?.(message)
  else if (message.type === 'checkpoint') options.onCheckpoint?.({ path: message.path, step: message.step })
  else if (message.type === 'warning') options.onWarning?.({ code: message.code, detail: message.detail })
}
