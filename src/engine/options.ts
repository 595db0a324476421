/** What a caller of the library says, and how it becomes a complete recipe. */
import { z } from 'zod'
import type { Rung } from '../contract/auto.ts'
import type { Goals } from '../contract/goals.ts'
import { factsOf } from '../contract/method-facts.ts'
import { defaultMetric, type LabelKind } from '../contract/metric.ts'
import {
  type DatasetSpec,
  METHOD_NAMES,
  type Method,
  type MethodName,
  type MetricName,
  Recipe,
  type Training,
} from '../contract/recipe.ts'
import type { Warning } from '../contract/report.ts'
import type { DataPart, RunnerMessage } from '../contract/runner-protocol.ts'
import type { TextSpec } from '../contract/text.ts'
import { FewbitError } from '../shared/errors.ts'
import type { ImageOptions } from './data/images/input.ts'
import { unknownOperators } from './ops/index.ts'
import { formatsOf, nameOf, TARGETS, targetOf } from './targets/index.ts'

/** A file: its path, relative to the current directory at the call, or its bytes. */
export type Source = string | URL | Uint8Array

/** An .npz archive with one array per input of the model, the first axis of each counting samples; an array `labels` holds the classes. */
export interface Data {
  data: Source
  /** how stored integers become the model's floats, by array: `stored · scale + offset` */
  arrays?: z.input<typeof DatasetSpec>['arrays']
  /** how the pictures of a .zip become an input; then `data` is that archive */
  images?: ImageOptions
  /** how the lines of a .zip, with a .jsonl and a tokenizer.json, become inputs; then `data` is that archive */
  text?: z.input<typeof TextSpec>
  /** how many samples are used, drawn over all of them */
  samples?: number
  /** one of two parts of the data set, the same ones for the same seed: `held_out` judges, `others` calibrate or train */
  part?: DataPart
}

export type Progress = Extract<RunnerMessage, { type: 'progress' }>
export type TrainingFigures = Extract<RunnerMessage, { type: 'training' }>

type RecipeInput = z.input<typeof Recipe>

export interface QuantizeOptions {
  /** the hardware: a name (`cpu-int8`, …) or a profile of your own */
  target: RecipeInput['target']
  /** a name, or a name with options; `auto` by default, which tries them until one meets the goals */
  method?: MethodName | RecipeInput['method']
  /** samples from which the ranges of activations are read; the archive alone, or with options */
  calibration?: Source | Data
  /** samples to train on (method `qat`), and for how long */
  training?: Source | (Data & Partial<Omit<Training, 'samples'>>)
  /** samples to measure accuracy and fidelity on */
  evaluation?: Source | (Data & { metric?: MetricName; wordSeparator?: number })
  /** nodes and operators that stay float */
  exclude?: RecipeInput['exclude']
  /** fixed shapes of inputs by name */
  inputShapes?: RecipeInput['input_shapes']
  /** values that inputs always have, by name */
  inputValues?: RecipeInput['input_values']
  /** what the artifact is: `onnx` by default, `tflite` where the target takes it */
  format?: RecipeInput['format']
  /** what goes in and comes out of a `.tflite`, and how pictures lie there */
  tflite?: RecipeInput['tflite']
  /** what the method `auto` climbs for; by default at most a point of accuracy */
  goals?: Goals
  /** of everything that is drawn at random; the same seed gives the same artifact on the same machine */
  seed?: number
  /** the directory where model, report and plan are written, made where it is missing; without it they are returned */
  output?: string
  /** whether files of an earlier run in `output` are replaced; otherwise they are an error */
  overwrite?: boolean
  /** an empty directory for working files, which the caller removes; by default one below the system's temporary directory that is removed */
  scratch?: string
  /** threads of one run; as many as the machine has by default */
  threads?: number
  /** bytes of memory that the process may use: larger models run in parts */
  memoryBytes?: number
  /** seconds that the whole run may take: a search ends early enough to package what it found */
  maxSeconds?: number
  /** a file in which training keeps its state, and from which it goes on */
  checkpoint?: string
  /** ends the run with an error of the code `canceled` */
  signal?: AbortSignal
  /** ends search and training with the best so far, and goes on to verify and package it */
  stop?: AbortSignal | (() => boolean)
  onProgress?: (progress: Progress) => void
  onWarning?: (warning: Warning) => void
  onTraining?: (figures: TrainingFigures) => void
  /** of the method `auto`: rungs that an interrupted call has climbed, the best of which lies in `best` below `scratch` */
  climbed?: readonly Rung[]
  /** of the method `auto`: a rung has ended; `best` says whether it is the best so far */
  onRung?: (climbed: { rung: Rung; best: boolean }) => void
  /** the state of training lies, complete, at `path` */
  onCheckpoint?: (checkpoint: { path: string; step: number }) => void
  /** a clock in milliseconds that never goes back; `performance.now` by default */
  now?: () => number
}

export const dataOf = (given: Source | Data | undefined): Data | undefined =>
  given === undefined || (typeof given === 'object' && 'data' in given) ? given : { data: given }

/** The recipe with every default filled in; `labels`: those of the evaluation data, null without. Throws invalid_request and target_method_mismatch. */
export function recipeOf(options: QuantizeOptions, labels: LabelKind | null): Recipe {
  const calibration = dataOf(options.calibration)
  const evaluation = dataOf(options.evaluation)
  const training = dataOf(options.training)
  const { data: _, arrays: __, part: ___, ...pace } = training ?? { data: '' }
  const samplesOf = (data: Data | undefined) => (data?.samples === undefined ? {} : { samples: data.samples })
  const recipe = parsed({
    target: options.target,
    method: methodOf(options),
    exclude: options.exclude,
    input_shapes: options.inputShapes,
    input_values: options.inputValues,
    format: options.format,
    tflite: options.tflite,
    calibration: calibration?.samples === undefined ? undefined : samplesOf(calibration),
    training: Object.keys(pace).length > 0 ? pace : undefined,
    evaluation: evaluation && { metric: defaultMetric(labels), ...judgedBy(options), ...samplesOf(evaluation) },
    goals: options.goals,
    seed: options.seed,
  })
  requireMethod(recipe)
  requireFormat(recipe)
  requireOperators(recipe)
  return recipe
}

/** what the caller says of the metric */
function judgedBy({ evaluation }: QuantizeOptions): { metric?: MetricName; word_separator?: number } {
  if (typeof evaluation !== 'object' || !('data' in evaluation)) return {}
  const { metric, wordSeparator } = evaluation
  return {
    ...(metric !== undefined && { metric }),
    ...(wordSeparator !== undefined && { word_separator: wordSeparator }),
  }
}

const methodOf = ({ method = 'auto' }: QuantizeOptions): unknown =>
  typeof method === 'object' ? method : { type: method }

/** What is usual on a target; static on a profile that says nothing. */
export function defaultMethod(target: QuantizeOptions['target']): MethodName {
  if (typeof target === 'object' && target !== null)
    return (target as { default_method?: Method['type'] }).default_method ?? 'static'
  return Object.hasOwn(TARGETS, target) ? TARGETS[target].default_method : METHOD_NAMES[0]
}

function parsed(value: unknown): Recipe {
  const found = Recipe.safeParse(value)
  if (found.success) return found.data
  const [first] = found.error.issues
  throw new FewbitError('invalid_request', z.prettifyError(found.error).replaceAll(/\n\s*/g, ' '), {
    param: `/${first?.path.map(String).join('/') ?? ''}`,
  })
}

/** Throws target_format_mismatch for an artifact that the target does not take. */
function requireFormat({ target, format }: Recipe): void {
  const formats = formatsOf(targetOf(target))
  if (formats.includes(format)) return
  throw new FewbitError('target_format_mismatch', `${nameOf(target)} takes ${formats.join(', ')}, and no ${format}`, {
    param: '/format',
    hint: `targets with ${format}: ${Object.values(TARGETS)
      .filter((other) => formatsOf(other).includes(format))
      .map(({ id }) => id)
      .join(', ')}`,
  })
}

/** Throws invalid_request for a profile that lists what has no integers. */
function requireOperators({ target }: Recipe): void {
  const found = targetOf(target)
  const [unknown] = found.kind === 'integer' ? unknownOperators(Object.keys(found.operators)) : []
  if (unknown === undefined) return
  throw new FewbitError('invalid_request', `${unknown} is no operator that can compute in integers`, {
    param: `/target/operators/${unknown}`,
    hint: 'names are those of ONNX, as the built-in targets write them',
  })
}

/** Throws target_method_mismatch. */
function requireMethod({ target, method }: Recipe): void {
  const { id, methods } = targetOf(target)
  if (factsOf(method).climbs || methods.some((name) => name === method.type)) return
  throw new FewbitError('target_method_mismatch', `${id} does not support the method ${method.type}`, {
    param: '/method/type',
    hint: `use ${methods.join(' or ')}`,
  })
}
