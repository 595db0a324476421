/** Task metrics, against labels or the float model: one score per sample for the float and the quantized model, so that they can be compared in pairs. */
import type { MetricName } from '../../contract/recipe.ts'
import type { Metrics } from '../../contract/report.ts'
import { FewbitError } from '../../shared/errors.ts'
import { at, leading } from '../ir/list.ts'
import type { RunTensor } from '../runtime/runtime.ts'
import { agreementPerSample, argmaxPerSample } from './agreement.ts'
import { numbers } from './numbers.ts'
import { createOutputMeter } from './output-meter.ts'
import type { Scores } from './sample-scores.ts'
import { cosine, type Tally } from './sums.ts'

type Accuracy = NonNullable<Metrics['accuracy']>

/** labels of one sample: a class, or a sequence of classes padded with −1 */
export type Label = readonly number[]

/** One score and one weight per sample; the metric is Σ score ÷ Σ weight. */
interface Score {
  value: number
  weight: number
}

interface MetricDef {
  labels: 'class' | 'sequence'
  /** a larger figure is worse */
  isError: boolean
  score: (output: RunTensor, labels: readonly Label[]) => Score[]
}

export const LABELLED_METRICS: Partial<Record<MetricName, MetricDef>> = {
  top1: {
    labels: 'class',
    isError: false,
    score: (output, labels) =>
      argmaxPerSample(output, labels.length).map((best, i) => hit(best === at(at(labels, i), 0))),
  },
  top5: {
    labels: 'class',
    isError: false,
    score: (output, labels) => labels.map((label, i) => hit(isAmongBest(output, labels.length, i, at(label, 0), 5))),
  },
  cer: {
    labels: 'sequence',
    isError: true,
    score: (output, labels) => labels.map((label, i) => characterErrors(output, i, label)),
  },
}

/** Metrics without labels: the float model's output is right. `axis` is that of its classes, or null. */
interface ComparisonDef {
  isError: boolean
  score: (output: RunTensor, float: RunTensor, samples: number, axis: number | null) => Score[]
}

const COMPARING_METRICS: Partial<Record<MetricName, ComparisonDef>> = {
  agreement: {
    isError: false,
    score: (output, float, samples, axis) => agreementPerSample(float, output, samples, axis),
  },
  cosine: { isError: false, score: (output, float, samples) => perSample(output, float, samples, cosineOf) },
  mse: { isError: true, score: (output, float, samples) => perSample(output, float, samples, squaredErrorOf) },
}

function perSample(output: RunTensor, float: RunTensor, samples: number, score: (sums: Tally) => Score): Score[] {
  const meter = createOutputMeter()
  meter.add(float, output, samples)
  return meter.units.map(score)
}

const cosineOf = (sums: Tally): Score => ({ value: cosine(sums), weight: 1 })
const squaredErrorOf = ({ noise, count }: Tally): Score => ({ value: noise, weight: count })

const hit = (correct: boolean): Score => ({ value: correct ? 1 : 0, weight: 1 })

function isAmongBest(output: RunTensor, samples: number, sample: number, label: number, count: number): boolean {
  const values = numbers(output)
  const width = values.length / samples
  const row = values.subarray(sample * width, (sample + 1) * width)
  const own = row[label]
  return own !== undefined && [...row].filter((x) => x > own).length < count
}

/** Character error rate of greedy CTC decoding: output [N, T, C]. */
export function characterErrors(output: RunTensor, sample: number, label: Label, blank = 0): Score {
  if (output.dims.length !== 3) throw notSteps(output)
  const [, steps, classes] = leading(3, output.dims)
  const values = numbers(output)
  const row = {
    dtype: output.dtype,
    dims: [steps, classes],
    data: values.subarray(sample * steps * classes, (sample + 1) * steps * classes),
  }
  const path = argmaxPerSample(row, steps)
  const decoded = path.filter((symbol, i) => symbol !== blank && symbol !== path[i - 1])
  const expected = label.filter((symbol) => symbol >= 0)
  return { value: editDistance(decoded, expected), weight: expected.length }
}

const notSteps = ({ dims }: RunTensor): FewbitError =>
  new FewbitError(
    'dataset_labels_invalid',
    `the metric cer decodes an output of the shape [samples, steps, classes], and the first one has the shape [${dims.join(', ')}]`,
    {
      param: '/evaluation/metric',
      hint: 'choose a metric that fits the output: agreement, cosine or mse need no labels',
    },
  )

/** Levenshtein distance. */
export function editDistance(a: readonly number[], b: readonly number[]): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      current[j] = Math.min(
        at(previous, j) + 1,
        at(current, j - 1) + 1,
        at(previous, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1),
      )
    }
    previous = current
  }
  return at(previous, b.length)
}

export interface AccuracyMeter {
  /** `labels` are null where the samples have none: metrics that need them count nothing then */
  add(float: RunTensor, quantized: RunTensor, samples: number, labels: readonly Label[] | null): void
  result(): Accuracy | null
  /** null for metrics that need no labels */
  scores(): Scores | null
}

/** `classAxis` is the axis of the classes of the output that is scored, or null. */
export function createAccuracyMeter(metric: MetricName, classAxis: number | null): AccuracyMeter {
  const [labelled, comparing] = [LABELLED_METRICS[metric], COMPARING_METRICS[metric]]
  const pairs: { float: Score; quantized: Score }[] = []
  const scoresOf = (output: RunTensor, float: RunTensor, samples: number, labels: readonly Label[] | null) =>
    labels && labelled ? labelled.score(output, labels) : (comparing?.score(output, float, samples, classAxis) ?? [])
  return {
    add: (float, quantized, samples, labels) => {
      const [a, b] = [scoresOf(float, float, samples, labels), scoresOf(quantized, float, samples, labels)]
      for (const [i, score] of a.entries()) pairs.push({ float: score, quantized: b[i]! })
    },
    result: () => {
      const def = labelled ?? comparing
      return pairs.length === 0 || !def ? null : summarize(metric, def, pairs)
    },
    scores: () => (pairs.length === 0 || !labelled ? null : scoresIn(labelled, pairs)),
  }
}

function scoresIn({ isError }: MetricDef, pairs: readonly { float: Score; quantized: Score }[]): Scores {
  const sign = isError ? -1 : 1
  return {
    quality: 'accuracy',
    float: pairs.map(({ float }) => sign * float.value),
    quantized: pairs.map(({ quantized }) => sign * quantized.value),
    weights: pairs.map(({ float }) => float.weight),
  }
}

function summarize(
  metric: MetricName,
  def: Pick<MetricDef, 'isError'>,
  pairs: { float: Score; quantized: Score }[],
): Accuracy {
  const weight = pairs.reduce((sum, { float }) => sum + float.weight, 0)
  const total = (pick: 'float' | 'quantized') =>
    pairs.reduce((sum, pair) => sum + pair[pick].value, 0) / Math.max(weight, 1)
  const [float, quantized] = [total('float'), total('quantized')]
  const sign = def.isError ? -1 : 1
  const drop = sign * (float - quantized)
  const losses = pairs.map((pair) => sign * (pair.float.value - pair.quantized.value))
  return { metric, float, quantized, drop, samples: pairs.length, ci95: pairedInterval(losses, weight / pairs.length) }
}

/** Normal approximation of the mean of paired differences, per unit of weight. */
function pairedInterval(losses: readonly number[], meanWeight: number): [number, number] {
  const n = losses.length
  const mean = losses.reduce((sum, x) => sum + x, 0) / n
  const variance = losses.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(n - 1, 1)
  const half = 1.96 * Math.sqrt(variance / n)
  return [(mean - half) / meanWeight, (mean + half) / meanWeight]
}
