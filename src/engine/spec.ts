/** The library as a runner calls it: a job in one JSON object, whose paths lie in one directory. */
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type RunnerMessage, type RunnerSpec, SCORES_FILE } from '../contract/runner-protocol.ts'
import type { Data, QuantizeOptions } from './options.ts'
import { type QuantizedFiles, quantize } from './quantize.ts'
import type { SampleScores } from './verify/sample-scores.ts'

export interface SpecHost extends Pick<QuantizeOptions, 'now' | 'stop' | 'signal'> {
  /** where the paths of the job begin, and where it works */
  directory: string
  emit(message: RunnerMessage): void
}

/** Runs a job. Throws FewbitError. */
export async function quantizeSpec(spec: RunnerSpec, { directory, emit, ...host }: SpecHost): Promise<QuantizedFiles> {
  const { recipe } = spec
  const at = (path: string) => resolve(directory, path)
  const dataset = (source: RunnerSpec['calibration'], wishes: object = {}): Partial<Data> =>
    source
      ? {
          data: at(source.path),
          arrays: source.spec.arrays,
          ...(source.spec.images && { images: source.spec.images }),
          ...(source.spec.text && { text: source.spec.text }),
          ...(source.part && { part: source.part }),
          ...wishes,
        }
      : {}
  const optional = (name: 'calibration' | 'training' | 'evaluation') =>
    spec[name] ? { [name]: dataset(spec[name], recipe[name]) } : {}
  const made = await quantize(at(spec.model), {
    ...host,
    target: recipe.target,
    method: recipe.method,
    exclude: recipe.exclude,
    inputShapes: recipe.input_shapes,
    inputValues: recipe.input_values,
    format: recipe.format,
    tflite: recipe.tflite,
    seed: recipe.seed,
    ...optional('calibration'),
    ...optional('training'),
    ...optional('evaluation'),
    output: at(spec.output),
    scratch: directory,
    threads: spec.threads,
    ...(spec.checkpoint !== undefined && { checkpoint: at(spec.checkpoint) }),
    ...(spec.memory_bytes !== undefined && { memoryBytes: spec.memory_bytes }),
    ...(spec.max_seconds !== undefined && { maxSeconds: spec.max_seconds }),
    onProgress: emit,
    ...(spec.climbed && { climbed: spec.climbed }),
    goals: recipe.goals,
    onRung: (climbed) => emit({ type: 'rung', ...climbed }),
    onTraining: emit,
    onWarning: (warning) => emit({ type: 'warning', ...warning }),
    onCheckpoint: (checkpoint) => emit({ type: 'checkpoint', ...checkpoint }),
  })
  return spec.scores && made.scores
    ? { ...made, files: [...made.files, writeScores(made.scores, at(spec.output))] }
    : made
}

function writeScores(scores: SampleScores, directory: string): string {
  const path = join(directory, SCORES_FILE)
  writeFileSync(path, JSON.stringify(scores))
  return path
}
