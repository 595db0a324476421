/** Task metrics, against labels or the float model, for the float and the quantized model on the same samples, so that they can be compared in pairs. */
import type { MetricName } from '../../contract/recipe.ts'
import type { Metrics } from '../../contract/report.ts'
import { at } from '../ir/list.ts'
import type { RunTensor } from '../runtime/runtime.ts'
import { agreementPerSample } from './agreement.ts'
import { CORPUS_METRICS, LABELLED_METRICS } from './metrics/index.ts'
import { pseudoValues } from './metrics/jackknife.ts'
import type { AdditiveMetric, CorpusMetric, Label, MetricContext, Score } from './metrics/metric.ts'
import { createOutputMeter } from './output-meter.ts'
import type { Scores } from './sample-scores.ts'
import { cosine, type Tally } from './sums.ts'

type Accuracy = NonNullable<Metrics['accuracy']>

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

export interface AccuracyMeter {
  /** `labels` are null where the samples have none: metrics that need them count nothing then */
  add(float: RunTensor, quantized: RunTensor, samples: number, labels: readonly Label[] | null): void
  result(): Accuracy | null
  /** null for metrics that need no labels */
  scores(): Scores | null
}

export function createAccuracyMeter(metric: MetricName, context: MetricContext): AccuracyMeter {
  const corpus = CORPUS_METRICS[metric]
  if (corpus) return corpusMeter(metric, corpus, context)
  const labelled = LABELLED_METRICS[metric]
  return labelled ? additiveMeter(metric, labelled, context) : comparingMeter(metric, context)
}

interface Pair {
  float: Score
  quantized: Score
}

const paired = (float: readonly Score[], quantized: readonly Score[]): Pair[] =>
  float.map((score, i) => ({ float: score, quantized: at(quantized, i) }))

function additiveMeter(metric: MetricName, def: AdditiveMetric, context: MetricContext): AccuracyMeter {
  const pairs: Pair[] = []
  return {
    add: (float, quantized, _, labels) => {
      if (labels) pairs.push(...paired(def.score(float, labels, context), def.score(quantized, labels, context)))
    },
    result: () => (pairs.length === 0 ? null : summarize(metric, def, pairs)),
    scores: () => (pairs.length === 0 ? null : scoresIn(def, pairs)),
  }
}

function comparingMeter(metric: MetricName, { classAxis }: MetricContext): AccuracyMeter {
  const def = COMPARING_METRICS[metric]
  const pairs: Pair[] = []
  const score = (output: RunTensor, float: RunTensor, samples: number) =>
    def?.score(output, float, samples, classAxis) ?? []
  return {
    add: (float, quantized, samples) =>
      void pairs.push(...paired(score(float, float, samples), score(quantized, float, samples))),
    result: () => (pairs.length === 0 || !def ? null : summarize(metric, def, pairs)),
    scores: () => null,
  }
}

function corpusMeter(metric: MetricName, def: CorpusMetric, context: MetricContext): AccuracyMeter {
  const [float, quantized]: [unknown[], unknown[]] = [[], []]
  let pairs: Pair[] | null = null
  const valuesOf = (items: readonly unknown[]) =>
    (def.each?.(items) ?? pseudoValues(def, items)).map((value): Score => ({ value, weight: 1 }))
  const pairsOfAll = () => {
    pairs ??= paired(valuesOf(float), valuesOf(quantized))
    return pairs
  }
  return {
    add: (a, b, _, labels) => {
      if (!labels) return
      float.push(...def.items(a, labels, context))
      quantized.push(...def.items(b, labels, context))
    },
    result: () => {
      if (float.length === 0) return null
      const figures = { float: def.figure(float), quantized: def.figure(quantized) }
      return { metric, ...figures, ...lossOf(def, figures, pairsOfAll()), samples: float.length }
    },
    scores: () => (pairsOfAll().length === 0 ? null : scoresIn(def, pairsOfAll())),
  }
}

/** The loss itself, and its interval by what samples add to it. */
function lossOf(
  { isError }: CorpusMetric,
  { float, quantized }: { float: number; quantized: number },
  pairs: readonly Pair[],
): Pick<Accuracy, 'drop' | 'ci95'> {
  const sign = isError ? -1 : 1
  const drop = sign * (float - quantized)
  const losses = pairs.map((pair) => sign * (pair.float.value - pair.quantized.value))
  const half = halfWidth(losses)
  return { drop, ci95: [drop - half, drop + half] }
}

function scoresIn({ isError }: { isError: boolean }, pairs: readonly Pair[]): Scores {
  const sign = isError ? -1 : 1
  return {
    quality: 'accuracy',
    float: pairs.map(({ float }) => sign * float.value),
    quantized: pairs.map(({ quantized }) => sign * quantized.value),
    weights: pairs.map(({ float }) => float.weight),
  }
}

type Summarized = Pick<AdditiveMetric, 'isError' | 'figure'>

function summarize(
  metric: MetricName,
  { isError, figure = (mean) => mean }: Summarized,
  pairs: readonly Pair[],
): Accuracy {
  const weight = Math.max(
    pairs.reduce((sum, { float }) => sum + float.weight, 0),
    1,
  )
  const mean = (pick: 'float' | 'quantized') => pairs.reduce((sum, pair) => sum + pair[pick].value, 0) / weight
  const sign = isError ? -1 : 1
  const losses = pairs.map((pair) => sign * (pair.float.value - pair.quantized.value))
  const before = mean('float')
  const lossAt = (loss: number) => sign * (figure(before) - figure(before - sign * loss))
  const loss = sign * (before - mean('quantized'))
  const half = (halfWidth(losses) * pairs.length) / weight
  return {
    metric,
    float: figure(before),
    quantized: figure(mean('quantized')),
    drop: lossAt(loss),
    samples: pairs.length,
    ci95: [lossAt(loss - half), lossAt(loss + half)],
  }
}

/** Normal approximation of the mean of paired differences. */
function halfWidth(losses: readonly number[]): number {
  const n = Math.max(losses.length, 1)
  const mean = losses.reduce((sum, x) => sum + x, 0) / n
  const variance = losses.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(n - 1, 1)
  return 1.96 * Math.sqrt(variance / n)
}
