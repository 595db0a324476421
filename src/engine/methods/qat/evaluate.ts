/** Judges finished artifacts on samples that did not train: the loss, and what users count. */

import { METRIC_FACTS } from '../../../contract/metric.ts'
import type { MetricName } from '../../../contract/recipe.ts'
import type { Model } from '../../ir/graph.ts'
import type { RunTensor, Runtime, Session } from '../../runtime/runtime.ts'
import type { Workspace } from '../../runtime/workspace.ts'
import type { Target } from '../../targets/target.ts'
import { createFidelityMeter } from '../../verify/fidelity.ts'
import { meaningOn } from '../../verify/meaning.ts'
import { LABELLED_METRICS } from '../../verify/metrics/index.ts'
import type { Label } from '../../verify/metrics/metric.ts'
import type { LossTerm } from './losses.ts'
import type { Gatherer } from './samples.ts'
import { lossOf } from './score.ts'

export interface Score {
  loss: number
  /** the part of the loss that compares with the float model */
  distance: number
  /** in the words of `Evaluation.metric`; null where the outputs have no argmax */
  metric: number | null
}

export interface Evaluation {
  metric: MetricName
  /** a larger figure is worse */
  isError: boolean
  /** the metric counts against labels */
  isLabelled: boolean
  /** that judge */
  samples: number
  /** of the float model */
  float: Score
  score(model: Model): Promise<Score>
}

export interface EvaluationInput {
  runtime: Runtime
  workspace: Workspace
  floatPath: string
  gatherer: Gatherer
  indices: readonly number[]
  labelsOf: (indices: readonly number[]) => Label[] | null
  terms: readonly LossTerm[]
  probabilities: ReadonlySet<string>
  metric: MetricName
  wordSeparator: number | null
  target: Target
}

/** Runs the float model once over the samples and keeps its outputs; whole batches only, so that a few samples may count twice. */
export async function openEvaluation(input: EvaluationInput): Promise<Evaluation> {
  const { runtime, workspace, gatherer, indices } = input
  const batches = batchesOf(indices, gatherer.size)
  const float = await runtime.load(input.floatPath, { optimization: 'all' })
  const names = float.outputs.map(({ name }) => name)
  const expected = await runAll(float, batches, gatherer)
  await float.release()
  const judge = createJudge(input, batches, names)
  return {
    metric: judge.metric,
    isError: judge.isError,
    isLabelled: judge.isLabelled,
    samples: indices.length,
    float: judge.judge(expected, expected),
    score: async (model) => {
      const session = await runtime.load(workspace.save('candidate.onnx', model), meaningOn(input.target))
      const found = await runAll(session, batches, gatherer)
      await session.release()
      return judge.judge(found, expected)
    },
  }
}

type Results = Readonly<Record<string, RunTensor>>

function batchesOf(indices: readonly number[], size: number): number[][] {
  return Array.from({ length: Math.ceil(indices.length / size) }, (_, batch) =>
    Array.from({ length: size }, (_, i) => indices[(batch * size + i) % indices.length]!),
  )
}

async function runAll(session: Session, batches: readonly number[][], gatherer: Gatherer): Promise<Results[]> {
  const results: Results[] = []
  for (const batch of batches) {
    gatherer.fill(batch)
    results.push(await session.run(gatherer.feeds))
  }
  return results
}

function createJudge(input: EvaluationInput, batches: readonly number[][], names: readonly string[]) {
  const { terms, probabilities, labelsOf, wordSeparator } = input
  const context = { classAxis: null, wordSeparator }
  const labels = batches.map(labelsOf)
  const [first] = terms
  const labelled = labels[0] && METRIC_FACTS[input.metric].isShare ? LABELLED_METRICS[input.metric] : undefined
  const lossIn = (found: Results, teacher: Results, i: number) =>
    lossOf(terms, { found, teacher, labels: labels[i]!, probabilities })
  const counted = (found: readonly Results[]): number => {
    const scores = found.flatMap((results, i) => labelled!.score(results[first!.output]!, labels[i]!, context))
    return (
      scores.reduce((sum, { value }) => sum + value, 0) /
      Math.max(
        scores.reduce((sum, { weight }) => sum + weight, 0),
        1,
      )
    )
  }
  const agreed = (found: readonly Results[], expected: readonly Results[]): number | null => {
    const meter = createFidelityMeter(names)
    for (const [i, results] of found.entries()) meter.add(expected[i]!, results, batches[i]!.length)
    return meter.result()?.agreement ?? null
  }
  return {
    metric: labelled ? input.metric : ('agreement' as const),
    isError: labelled?.isError ?? false,
    isLabelled: labelled !== undefined,
    judge: (found: readonly Results[], expected: readonly Results[]): Score => {
      const losses = found.map((results, i) => lossIn(results, expected[i]!, i))
      const mean = (part: 'loss' | 'distance') => losses.reduce((sum, parts) => sum + parts[part], 0) / losses.length
      const metric = labelled ? counted(found) : agreed(found, expected)
      return { loss: mean('loss'), distance: mean('distance'), metric }
    },
  }
}

/**
 * Whether `score` may replace `best`: a smaller loss, no further from the float model than `floor`, and by the labels, where there are any,
 * not worse than chance explains. Without the second, labels that the float model has seen pull a good artifact away from it.
 */
export function isBetter(
  { isError, isLabelled, samples }: Pick<Evaluation, 'isError' | 'isLabelled' | 'samples'>,
  score: Score,
  best: Score,
  floor: Score,
): boolean {
  if (!(score.loss < best.loss && score.distance <= floor.distance)) return false
  if (!isLabelled || score.metric === null || floor.metric === null) return true
  const worse = isError ? score.metric - floor.metric : floor.metric - score.metric
  return worse <= standardError(floor.metric, samples)
}

/** Of a share that was counted on so many samples. */
const standardError = (share: number, samples: number): number =>
  Math.sqrt(Math.max(share * (1 - share), 0) / Math.max(samples, 1))
