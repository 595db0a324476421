/** From what each method reached to the whole comparison: paired tests, the Pareto front, goals, verdicts. */
import type { Comparison, ComparisonRow, PairedTest, Quality } from '../../../contract/comparison.ts'
import type { Goals } from '../../../contract/goals.ts'
import { areSame, type SampleScores } from '../../verify/sample-scores.ts'
import { meetsGoals } from './goals.ts'
import { pairedTest } from './paired-test.ts'
import { frontOf, type Worth } from './pareto.ts'
import { recommend } from './recommend.ts'

/** What a row says of itself. */
export type Facts = Omit<ComparisonRow, 'pareto' | 'meets_goals' | 'tests'>

/** A method, and the scores of its samples where there are any. */
export interface Entry {
  facts: Facts
  scores: SampleScores | null
}

/** Differences up to these count as none: a point, or half of the noise. */
const MARGINS: Record<Quality, number> = { accuracy: 0.01, agreement: 0.01, sqnr_db: 3 }

/** `entries`: the float model first, then the others in any order, of one model and the same data. */
export function tableOf(entries: readonly Entry[], goals: Goals = {}): Comparison {
  const quality = entries.find(({ scores }) => scores)?.scores?.quality ?? 'sqnr_db'
  const margin = marginOf(quality, goals)
  const front = frontOf(entries.map((entry) => worthOf(entry, quality)))
  const rows = entries.map(
    ({ facts }, i): ComparisonRow => ({
      ...facts,
      pareto: front[i]!,
      meets_goals: facts.status === 'succeeded' ? meetsGoals(facts, goals) : null,
      tests: testsOf(entries, i, margin),
    }),
  )
  return { object: 'comparison', quality, margin, goals, rows, ...recommend({ quality, margin, goals, rows }) }
}

const marginOf = (quality: Quality, { max_accuracy_drop: goal }: Goals): number =>
  quality === 'sqnr_db' || !goal ? MARGINS[quality] : goal

const isFloat = ({ facts }: Entry): boolean => facts.method === 'float'

function worthOf(entry: Entry, quality: Quality): Worth {
  const { target, size_bytes, latency_ms } = entry.facts
  const best = quality === 'sqnr_db' ? Number.POSITIVE_INFINITY : 0
  return {
    target,
    isFloat: isFloat(entry),
    quality: isFloat(entry) ? best : gainOf(entry),
    speedup: latency_ms?.on_target ? latency_ms.speedup : null,
    bytes: size_bytes,
  }
}

/** Against the float model on the same samples, so that rows which had other samples can be ranked too. */
function gainOf({ facts, scores }: Entry): number | null {
  if (!scores) return facts.fidelity?.sqnr_db ?? null
  return figureOf(scores.quantized, scores.weights) - (scores.float ? figureOf(scores.float, scores.weights) : 0)
}

function figureOf(scores: readonly number[], weights: readonly number[]): number {
  const weight = sum(weights)
  return weight > 0 ? sum(scores) / weight : 0
}

const sum = (values: readonly number[]): number => values.reduce((total, x) => total + x, 0)

function testsOf(entries: readonly Entry[], index: number, margin: number): ComparisonRow['tests'] {
  const own = entries[index]!
  const comparable = (other: Entry) => other !== own && !isFloat(other) && canPair(own, other)
  const rivals = entries.filter(comparable)
  const against = (other: Entry | null) => other && testOf(own, other, entries.indexOf(other), margin)
  const cheaper = rivals.filter((other) => secondsOf(other) < secondsOf(own))
  const untrained = rivals.filter(({ facts }) => facts.method !== 'qat')
  return {
    float: againstFloat(own, entries.findIndex(isFloat), margin),
    cheaper: against(most(cheaper, secondsOf)),
    post_training: own.facts.method === 'qat' ? against(most(untrained, (other) => gainOf(other) ?? 0)) : null,
  }
}

const canPair = (own: Entry, other: Entry): boolean =>
  own.facts.target === other.facts.target &&
  own.scores !== null &&
  other.scores !== null &&
  areSame(own.scores, other.scores)

const secondsOf = ({ facts }: Entry): number => facts.cost?.seconds ?? 0

/** The first of those with the largest figure. */
const most = (entries: readonly Entry[], figure: (entry: Entry) => number): Entry | null =>
  entries.reduce<Entry | null>((best, entry) => (best && figure(best) >= figure(entry) ? best : entry), null)

function againstFloat({ facts, scores }: Entry, row: number, margin: number): PairedTest | null {
  if (!scores?.float || facts.method === 'float') return null
  const { quantized: own, float: other, weights } = scores
  return { row, ...pairedTest({ own, other, weights }, margin), cost_ratio: null }
}

function testOf(own: Entry, other: Entry, row: number, margin: number): PairedTest | null {
  if (!own.scores || !other.scores) return null
  const pairs = { own: own.scores.quantized, other: other.scores.quantized, weights: own.scores.weights }
  const [seconds, others] = [secondsOf(own), secondsOf(other)]
  return { row, ...pairedTest(pairs, margin), cost_ratio: others > 0 ? seconds / others : null }
}
