/** Whether one model is better than another one on the same samples: McNemar's exact test for right and wrong, a sign-flip randomization for other scores. */
import type { PairedTest } from '../../../contract/comparison.ts'
import { randomSource } from '../../data/synthetic.ts'
import { bootstrap, type Interval, LEAST_SAMPLES } from '../../verify/interval.ts'

/** Scores of the same samples, larger is better; a figure is Σ score ÷ Σ weight. */
export interface Pairs {
  own: readonly number[]
  other: readonly number[]
  weights: readonly number[]
}

export type Tested = Omit<PairedTest, 'row' | 'cost_ratio'>

const SIGNIFICANT = 0.05

/** `margin`: the difference that matters, in the unit of the scores. */
export function pairedTest(pairs: Pairs, margin: number): Tested {
  const found = isRightOrWrong(pairs) ? mcnemar(pairs) : signFlip(pairs)
  const outcome = outcomeOf(found, margin)
  const samples = pairs.own.length
  return {
    ...found,
    samples,
    outcome,
    samples_needed: outcome === 'unclear' ? needed(found.ci95, samples, margin) : null,
  }
}

type Found = Pick<Tested, 'gain' | 'ci95' | 'p_value' | 'test'>

const isRightOrWrong = ({ own, other, weights }: Pairs): boolean =>
  weights.every((weight) => weight === 1) && [own, other].every((scores) => scores.every((x) => x === 0 || x === 1))

/** Q. McNemar 1947, exact. The interval is A. Agresti's and Y. Min's (2005), which holds where no or few samples differ. */
function mcnemar({ own, other }: Pairs): Found {
  const count = (wanted: number) => own.filter((x, i) => x - other[i]! === wanted).length
  const [won, lost, total] = [count(1), count(-1), own.length]
  return {
    test: 'mcnemar',
    gain: total === 0 ? 0 : (won - lost) / total,
    p_value: Math.min(1, 2 * lowerTail(won + lost, Math.min(won, lost))),
    ci95: total < LEAST_SAMPLES ? null : agrestiMin(won, lost, total),
  }
}

/** Probability of at most `most` heads in `tosses` of a fair coin. */
function lowerTail(tosses: number, most: number): number {
  let logOfTerm = -tosses * Math.LN2
  let sum = Math.exp(logOfTerm)
  for (let heads = 1; heads <= most; heads++) {
    logOfTerm += Math.log((tosses - heads + 1) / heads)
    sum += Math.exp(logOfTerm)
  }
  return Math.min(1, sum)
}

const Z = 1.96

/** Wald's interval of a difference of paired shares, with half a sample more in each of the four cells. */
function agrestiMin(won: number, lost: number, total: number): Interval {
  const [b, c, n] = [won + 0.5, lost + 0.5, total + 2]
  const middle = (b - c) / n
  const half = (Z / n) * Math.sqrt(b + c - (b - c) ** 2 / n)
  return [Math.max(-1, middle - half), Math.min(1, middle + half)]
}

const FLIPS = 2000
const SEED = 0

/** B. Efron, R. Tibshirani 1993, ch. 15: without a difference each pair could stand the other way around. */
function signFlip({ own, other, weights }: Pairs): Found {
  const differences = own.map((x, i) => x - other[i]!)
  const weight = sum(weights)
  const over = (drawn: Int32Array) => {
    let [gained, weighed] = [0, 0]
    for (const i of drawn) {
      gained += differences[i]!
      weighed += weights[i]!
    }
    return weighed > 0 ? gained / weighed : 0
  }
  return {
    test: 'sign_flip',
    gain: weight > 0 ? sum(differences) / weight : 0,
    p_value: flipped(differences.filter((x) => x !== 0)),
    ci95: bootstrap(own.length, over),
  }
}

/** Share of random signs that give a sum as far from 0 as the one that was seen, itself included. */
function flipped(differences: readonly number[]): number {
  const random = randomSource(SEED)
  const seen = Math.abs(sum(differences)) * (1 - 1e-12)
  let asFar = 1
  for (let flip = 0; flip < FLIPS; flip++) {
    let total = 0
    for (const x of differences) total += random() < 0.5 ? x : -x
    if (Math.abs(total) >= seen) asFar++
  }
  return asFar / (FLIPS + 1)
}

function outcomeOf({ ci95, p_value }: Found, margin: number): Tested['outcome'] {
  if (!ci95) return 'unclear'
  const [low, high] = ci95 as Interval
  if (p_value < SIGNIFICANT && low > 0) return 'better'
  if (p_value < SIGNIFICANT && high < 0) return 'worse'
  return low >= -margin && high <= margin ? 'equal' : 'unclear'
}

/** An interval becomes narrower with the root of the samples; it should reach no farther than the margin. */
function needed(ci95: Found['ci95'], samples: number, margin: number): number | null {
  if (!ci95 || margin <= 0) return null
  const half = (ci95[1]! - ci95[0]!) / 2
  return Math.max(samples + 1, Math.ceil(samples * (half / margin) ** 2))
}

const sum = (values: readonly number[]): number => values.reduce((total, x) => total + x, 0)
