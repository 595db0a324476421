/** Which row of a target to take, and whether training paid: rules over the numbers of the table. */
import type { Comparison, ComparisonRow, Verdict } from '../../../contract/comparison.ts'
import { meetsGoals } from './goals.ts'

export type Table = Pick<Comparison, 'quality' | 'margin' | 'goals' | 'rows'>

/** Why a verdict is what it is; the words follow from it. */
export interface Decision {
  target: string
  verdict: Verdict['verdict']
  /** the recommended row */
  row: number | null
  /** the row without training that was weighed, and the trained one; null: there is none */
  untrained: number | null
  trained: number | null
  reason: 'keeps' | 'pays' | 'unclear' | 'untried' | 'loses' | 'useless' | 'nothing_ran'
}

/** methods of targets that can be trained for */
const TRAINABLE: ReadonlySet<ComparisonRow['method']> = new Set(['static', 'dynamic', 'qat'])

/** Whether a row keeps the quality of the float model up to the margin. */
export type Keeps = 'yes' | 'no' | 'unclear'

/** without labels and classes: an error of 3 % of the signal is rarely noticed, one of 30 % always */
const FAITHFUL_DB = 30
const USELESS_DB = 10

export function keeps({ margin, quality }: Table, { tests, fidelity }: ComparisonRow): Keeps {
  const ci = tests.float?.ci95
  if (quality !== 'sqnr_db') return !ci ? 'unclear' : ci[0]! >= -margin ? 'yes' : ci[1]! < -margin ? 'no' : 'unclear'
  if (!fidelity || fidelity.measured_on === 'synthetic') return 'unclear'
  return fidelity.sqnr_db >= FAITHFUL_DB ? 'yes' : fidelity.sqnr_db < USELESS_DB ? 'no' : 'unclear'
}

/** Whether a trained row is better than the best one without training, by more than the margin. */
export const pays = ({ margin }: Table, { tests: { post_training: test } }: ComparisonRow): boolean =>
  test?.outcome === 'better' && test.gain >= margin

/** Of the rows of one target. */
export function decide(table: Table, target: string): Decision {
  const own = table.rows.flatMap((row, i) => (row.target === target && row.method !== 'float' ? [i] : []))
  const ran = own.filter((i) => table.rows[i]!.status === 'succeeded')
  const useful = ran.filter((i) => isUseful(table, table.rows[i]!))
  const isTrained = (i: number) => table.rows[i]!.method === 'qat'
  const untrained = useful.filter((i) => !isTrained(i))
  const trained = bestOf(table, useful.filter(isTrained))
  const weighed = { target, untrained: bestOf(table, untrained), trained }
  if (ran.length === 0) return { ...weighed, verdict: 'undecided', row: null, reason: 'nothing_ran' }
  if (useful.length === 0)
    return { ...weighed, untrained: bestOf(table, ran), verdict: 'stay_float', row: null, reason: 'useless' }
  const kept = untrained.filter((i) => keeps(table, table.rows[i]!) === 'yes')
  if (trained !== null && isWorthTraining(table, table.rows[trained]!))
    return { ...weighed, verdict: 'qat_pays', row: trained, reason: 'pays' }
  const chosen = mostUseful(table, kept)
  if (chosen !== null) return { ...weighed, untrained: chosen, verdict: 'ptq_is_enough', row: chosen, reason: 'keeps' }
  return {
    ...weighed,
    ...withoutProof(
      table,
      weighed,
      own.some((i) => TRAINABLE.has(table.rows[i]!.method)),
    ),
  }
}

/** A goal that is missed all the same is not paid for. */
const isWorthTraining = (table: Table, row: ComparisonRow): boolean =>
  pays(table, row) && (table.goals.max_accuracy_drop === undefined || keeps(table, row) !== 'no')

/** No row without training is known to keep the quality, and training does not win what matters. */
function withoutProof(
  table: Table,
  { untrained, trained }: Pick<Decision, 'untrained' | 'trained'>,
  isTrainable: boolean,
): Pick<Decision, 'verdict' | 'row' | 'reason'> {
  const states = [untrained, trained].map((i) => (i === null ? 'no' : keeps(table, table.rows[i]!)))
  const [plain, taught] = states
  if (plain === 'no' && taught === 'yes') return { verdict: 'qat_pays', row: trained, reason: 'pays' }
  if (taught === 'yes') return { verdict: 'undecided', row: trained, reason: 'unclear' }
  if (states.includes('unclear'))
    return { verdict: 'undecided', row: plain === 'unclear' ? untrained : trained, reason: 'unclear' }
  if (isTrainable && trained === null) return { verdict: 'undecided', row: null, reason: 'untried' }
  return { verdict: 'stay_float', row: null, reason: 'loses' }
}

/** hardly smaller, and hardly faster */
const SAME = 0.95

/** Meets the goals of speed and size; without any, it is smaller or faster than the float model. */
function isUseful({ goals }: Table, row: ComparisonRow): boolean {
  const met = meetsGoals(row, goals, ['min_speedup', 'max_size_bytes'])
  if (met === false || row.conformance?.ok === false) return false
  if (met) return true
  const isFaster = row.latency_ms?.on_target === true && row.latency_ms.speedup > 1 / SAME
  return isFaster || (row.size_ratio ?? 0) < SAME
}

const best = (indices: readonly number[], figure: (i: number) => number): number | null =>
  indices.reduce<number | null>((top, i) => (top !== null && figure(top) >= figure(i) ? top : i), null)

/** By quality; the first of equals. */
const bestOf = (table: Table, indices: readonly number[]): number | null =>
  best(indices, (i) => qualityOf(table, table.rows[i]!))

function qualityOf({ quality }: Table, { tests, fidelity }: ComparisonRow): number {
  const figure = quality === 'sqnr_db' ? fidelity?.sqnr_db : tests.float?.gain
  return figure ?? Number.NEGATIVE_INFINITY
}

const NEARLY_AS_FAST = 1 / 1.05
const NEARLY_AS_SMALL = 1.02

/** The fastest, of those the smallest, of those the best. */
export function mostUseful(table: Table, indices: readonly number[]): number | null {
  const row = (i: number) => table.rows[i]!
  const speed = (i: number) => (row(i).latency_ms?.on_target ? row(i).latency_ms!.speedup : 0)
  const size = (i: number) => row(i).size_bytes ?? Number.POSITIVE_INFINITY
  const top = Math.max(...indices.map(speed))
  const fast = indices.filter((i) => speed(i) >= top * NEARLY_AS_FAST)
  const least = Math.min(...fast.map(size))
  return bestOf(
    table,
    fast.filter((i) => size(i) <= least * NEARLY_AS_SMALL),
  )
}
