/** The library's verb: one quantization from paths or bytes to paths or bytes. */
import { mkdirSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { factsOf } from '../contract/method-facts.ts'
import type { PlanDocument, Report } from '../contract/report.ts'
import type { RunnerMessage } from '../contract/runner-protocol.ts'
import { climb } from './auto/climb.ts'
import { asFewbitError } from './errors.ts'
import { bytesOf, intoDirectory, withScratch } from './files.ts'
import type { QuantizeOptions, Source } from './options.ts'
import { type Outcome, runStages } from './pipeline.ts'
import type { Host } from './run.ts'
import { specFor } from './spec-for.ts'
import type { SampleScores } from './verify/sample-scores.ts'

/** What a quantization made. */
export interface Quantized {
  /** the bytes of the quantized ONNX model */
  artifact: Uint8Array
  /** sizes, speed, fidelity, accuracy, coverage and warnings, with every `auto` resolved */
  report: Report
  /** what became of every node and value, and why */
  plan: PlanDocument
  /** of each sample that verified, float and quantized, for tests in pairs; null where nothing could be compared */
  scores: SampleScores | null
}

/** The same with the files in `output`. */
export interface QuantizedFiles {
  /** the absolute path of the quantized ONNX model; weights past 2 GiB lie in a file beside it */
  artifact: string
  report: Report
  plan: PlanDocument
  scores: SampleScores | null
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
  const spec = await specFor(model, options, scratch, output)
  const run = factsOf(spec.recipe.method).climbs ? climb : runStages
  return run(spec, hostOf(options, stage), scratch, options.signal)
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
  else if (message.type === 'rung') options.onRung?.({ rung: message.rung, best: message.best })
  else if (message.type === 'warning') options.onWarning?.({ code: message.code, detail: message.detail })
}
