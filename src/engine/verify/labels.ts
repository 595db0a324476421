/** Whether the labels of the evaluation data belong to what the model gives: found out on the float model before any work begins. */
import type { MetricName } from '../../contract/recipe.ts'
import type { Warning } from '../../contract/report.ts'
import { FewbitError } from '../../shared/errors.ts'
import type { Dataset } from '../data/dataset.ts'
import { batchesOf, comfortableBatch, type Samples } from '../data/samples.ts'
import { draw } from '../data/split.ts'
import type { Prepared } from '../prepare/index.ts'
import type { Run } from '../run.ts'
import type { RunTensor } from '../runtime/runtime.ts'
import { classAxis } from './class-axis.ts'
import { top1, top5 } from './metrics/classes.ts'
import type { Label } from './metrics/metric.ts'
import { characterErrors } from './metrics/sequences.ts'

/** samples that the float model is tried on */
const TRIED = 64
const BATCH = 32

/** What the float model gave for samples with labels. */
interface Tried {
  name: string
  /** of one run with so many samples */
  outputs: { output: RunTensor; labels: Label[]; size: number }[]
  samples: number
  /** of all samples of the data set */
  largest: number
  smallest: number
  classAxis: number | null
}

/** Throws dataset_labels_invalid for labels that the first float output cannot have; warns where the float model hardly ever agrees with them. */
export async function checkLabels(run: Run, prepared: Prepared, evaluation: Dataset | null): Promise<Warning[]> {
  const metric = run.spec.recipe.evaluation?.metric
  const check = metric && CHECKS[metric]
  if (!evaluation?.labels || !check) return []
  const { seed } = run.spec.recipe
  const tried = await tryFloat(
    run,
    prepared,
    draw({ dataset: evaluation, start: 0, count: evaluation.samples }, TRIED, seed),
  )
  return tried ? check(tried, metric) : []
}

const CHECKS: Partial<Record<MetricName, (tried: Tried, metric: MetricName) => Warning[]>> = {
  top1: checkClasses,
  top5: checkClasses,
  f1: checkClasses,
  matthews: checkClasses,
  cer: checkSequences,
  wer: checkSequences,
  perplexity: checkTokens,
  pearson: checkFigures,
  spearman: checkFigures,
}

async function tryFloat({ runtime }: Run, prepared: Prepared, samples: Samples): Promise<Tried | null> {
  const session = await runtime.load(prepared.floatPath, { optimization: 'all' })
  try {
    const name = session.outputs.find(({ dtype }) => dtype?.startsWith('float'))?.name
    if (name === undefined) return null
    const most = prepared.sharing === 'rows' ? BATCH : 1
    const outputs: Tried['outputs'] = []
    for await (const batch of batchesOf(
      samples,
      prepared.inputs,
      comfortableBatch(samples.dataset, prepared.inputs, most),
    )) {
      if (!batch.labels || batch.count < batch.size) continue
      const { labels, size } = batch
      outputs.push({ output: (await session.run(batch.feeds, [name]))[name]!, labels, size })
    }
    const axis = classAxis(prepared.model.graph.outputs.find((output) => output.name === name))
    return { name, outputs, samples: samples.count, ...extremes(samples.dataset.labels!), classAxis: axis }
  } finally {
    await session.release()
  }
}

function extremes({ shape, value }: NonNullable<Dataset['labels']>) {
  const count = shape.reduce((a, b) => a * b, 1)
  let [smallest, largest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (let i = 0; i < count; i++) {
    smallest = Math.min(smallest, value(i))
    largest = Math.max(largest, value(i))
  }
  return { smallest, largest }
}

const refusal = (detail: string, hint: string): FewbitError =>
  new FewbitError('dataset_labels_invalid', detail, { param: '/evaluation/dataset_id', hint })

const OTHER_METRIC = 'or name the metric agreement, cosine or mse, which need no labels'
const show = (dims: readonly number[]): string => `[${dims.join(', ')}]`

function checkClasses(tried: Tried, metric: MetricName): Warning[] {
  const { name, outputs, largest, smallest } = tried
  const [first] = outputs
  if (!first) return []
  const { size } = first
  const { dims } = first.output
  const classes = first.output.data.length / size
  const own = dims[0] === size ? dims.slice(1) : dims
  if ((own === dims && size > 1) || own.filter((dim) => dim > 1).length > 1)
    throw refusal(
      `${metric} takes one class for each sample; output "${name}" is ${show(dims)} for ${size} samples, which has several positions`,
      `put the output with one score per class first, ${OTHER_METRIC}`,
    )
  if (classes < 2)
    throw refusal(
      `${metric} looks for the largest class; output "${name}" has one number for each sample`,
      `export the model with a score for each class, ${OTHER_METRIC}`,
    )
  refuseRange(name, classes, smallest, largest)
  return chance(tried, metric, classes)
}

function refuseRange(name: string, classes: number, smallest: number, largest: number): void {
  if (smallest >= 0 && largest < classes) return
  const shifted = smallest === 1 && largest === classes
  throw refusal(
    `the labels go from ${smallest} to ${largest}, and output "${name}" has ${classes} classes, 0 to ${classes - 1}`,
    shifted ? 'labels count from 0: subtract 1' : `give the labels of this model's classes, ${OTHER_METRIC}`,
  )
}

/** A float model that is right hardly more often than by guessing was not trained on these labels: embeddings, another order of the classes. */
function chance({ name, outputs }: Tried, metric: MetricName, classes: number): Warning[] {
  const scores = outputs.flatMap(({ output, labels }) =>
    (metric === 'top5' ? top5 : top1).score(output, labels, NO_CONTEXT),
  )
  const right = scores.reduce((sum, { value }) => sum + value, 0)
  const guessed = Math.min(1, (metric === 'top5' ? 5 : 1) / classes)
  const expected = guessed * scores.length
  if (scores.length < LEAST_SCORES || right > expected + 2 * Math.sqrt(expected * (1 - guessed))) return []
  return [
    doNotFit(
      `the float model itself is right on ${right} of ${scores.length} samples, which guessing among the ${classes} numbers of output "${name}" would be too: it may be an embedding, or its classes may have another order than the labels`,
    ),
  ]
}

const NO_CONTEXT = { classAxis: null, wordSeparator: null }

/** fewer samples can all be wrong by chance */
const LEAST_SCORES = 16

const doNotFit = (detail: string): Warning => ({ code: 'labels_do_not_fit', detail })

function checkSequences(tried: Tried, metric: MetricName): Warning[] {
  const classes = requireSteps(tried, metric)
  return classes === null ? [] : otherBlank(tried, classes)
}

function checkTokens(tried: Tried, metric: MetricName): Warning[] {
  requireSteps(tried, metric)
  return []
}

/** A number for each sample, or embeddings that neighbours are compared by. */
function checkFigures({ name, outputs, samples }: Tried, metric: MetricName): Warning[] {
  const [first] = outputs
  if (!first || first.output.data.length === first.size || samples % 2 === 0) return []
  throw refusal(
    `output "${name}" is an embedding, so that ${metric} compares samples 0 and 1, 2 and 3 and so on; there are ${samples}, an odd number`,
    'put the samples of a pair next to each other, both with the label of the pair',
  )
}

/** Classes of the steps; null where nothing was tried. */
function requireSteps(tried: Tried, metric: MetricName): number | null {
  const { name, outputs, largest, classAxis: axis } = tried
  const [first] = outputs
  if (!first) return null
  const { size } = first
  const { dims } = first.output
  const wanted = `${metric} reads [samples, steps, classes]`
  const transpose = `put a Transpose behind the output, ${OTHER_METRIC}`
  if (dims.length !== 3 || dims[0] !== size)
    throw refusal(`${wanted}; output "${name}" is ${show(dims)} for ${size} samples`, transpose)
  if (axis !== null && axis !== 2)
    throw refusal(`${wanted}; output "${name}" is ${show(dims)} with its classes on axis ${axis}`, transpose)
  const classes = dims[2]!
  // Padding is −1.
  refuseRange(name, classes, 0, largest)
  return classes
}

/** a model that reads nothing right has another alphabet than the labels */
const UNREADABLE = 0.9

function otherBlank({ outputs, name }: Tried, classes: number): Warning[] {
  const rate = (blank: number) => {
    const scores = outputs.flatMap(({ output, labels }) =>
      labels.map((label, i) => characterErrors(output, i, label, blank)),
    )
    const sum = (of: 'value' | 'weight') => scores.reduce((total, score) => total + score[of], 0)
    return sum('value') / Math.max(1, sum('weight'))
  }
  const [zero, last] = [rate(0), rate(classes - 1)]
  const says = `the float model reads ${zero.toFixed(2)} wrong characters for each right one with class 0 as the blank`
  if (last < zero / 2)
    return [
      doNotFit(
        `${says}, and ${last.toFixed(2)} with class ${classes - 1}: cer takes class 0, so move the blank of output "${name}" to the front and add 1 to the labels`,
      ),
    ]
  return zero > UNREADABLE ? [doNotFit(`${says}: its classes may be another alphabet than that of the labels`)] : []
}
