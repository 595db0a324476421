/** A decision in words: what its rows keep, what they are worth, whether training pays. */
import type { PairedTest } from '../../../contract/comparison.ts'
import {
  decimal,
  difference,
  type Figure,
  hundredths,
  percent,
  plain,
  points,
  type Say,
  type Sentence,
  sayFrom,
  times,
} from './sentence.ts'
import { type Decision, keeps, pays, type Table } from './verdict.ts'

interface Context {
  table: Table
  decision: Decision
  say: Say
}

/** The sentences of a verdict on one target, in order. */
export function sentencesFor(table: Table, decision: Decision): Sentence[] {
  const context = { table, decision, say: sayFrom(table) }
  return [
    ...OPENING[decision.reason](context),
    ...keptBy(context, decision.untrained),
    ...keptBy(context, decision.trained),
    ...trainingOf(context),
    ...worthOf(context),
    ...failuresOf(context),
  ]
}

const OPENING: Record<Decision['reason'], (context: Context) => Sentence[]> = {
  keeps: ({ say, decision }) => [
    say`For ${decision.target}, post-training quantization is enough: take ${nameOf(decision.row)}.`,
  ],
  pays: ({ say, decision }) => [say`For ${decision.target}, training pays: take ${nameOf(decision.row)}.`],
  unclear: ({ say, decision, table }) => [
    table.quality === 'sqnr_db'
      ? say`For ${decision.target}, noise alone does not decide: name an evaluation data set with labels. The best so far is ${nameOf(decision.row)}.`
      : say`For ${decision.target}, the samples are too few to decide; the best so far is ${nameOf(decision.row)}.`,
  ],
  untried: ({ say, decision }) => [
    say`For ${decision.target}, post-training quantization loses too much, and no row was trained that would say whether training wins it back.`,
  ],
  loses: ({ say, decision }) => [say`For ${decision.target}, stay with the float model: no method keeps its quality.`],
  useless: ({ say, decision }) => [
    say`For ${decision.target}, stay with the float model: no artifact is small, fast and legal enough.`,
  ],
  nothing_ran: ({ say, decision }) => [say`For ${decision.target}, no method gave a result.`],
}

const nameOf = (row: number | null): Figure => plain(`/rows/${row}/name`)

/** `accuracy/metric` in words, and how differences of it are written. */
function unitOf({ table: { quality } }: Context, row: number) {
  const name = quality === 'accuracy' ? plain(`/rows/${row}/accuracy/metric`) : 'agreement with the float model'
  return quality === 'sqnr_db'
    ? { of: '', name: '', unit: 'dB', show: difference, margin: decimal('/margin') }
    : { of: ' of ', name, unit: 'points', show: points, margin: hundredths('/margin') }
}

/** What a row keeps of the float model's quality. */
function keptBy(context: Context, row: number | null): Sentence[] {
  const { table, say } = context
  if (row === null) return []
  if (table.quality === 'sqnr_db') return faithful(context, row)
  const test = table.rows[row]!.tests.float
  if (!test) return []
  const { of, name, unit, show, margin } = unitOf(context, row)
  const at = `/rows/${row}/tests/float`
  const gain = say`${nameOf(row)} against the float model: ${show(`${at}/gain`)} ${unit}${of}${name}`
  const verdict = {
    yes: say`, within the margin of ${margin} ${unit}.`,
    no: say`, beyond the margin of ${margin} ${unit}.`,
    unclear: say`: too few to tell whether that stays within the margin of ${margin} ${unit}.`,
  }[keeps(table, table.rows[row]!)]
  return [joined(gain, spread(context, at, test, show), verdict), ...more(context, at, test)]
}

function faithful({ table, say }: Context, row: number): Sentence[] {
  const { fidelity } = table.rows[row]!
  if (!fidelity) return []
  const at = `/rows/${row}/fidelity`
  const where = fidelity.measured_on === 'synthetic' ? ' on made-up inputs, which say little of real ones' : ''
  return [
    say`The outputs of ${nameOf(row)} have an SQNR of ${decimal(`${at}/sqnr_db`)} dB${where}; there are no labels or classes to count.`,
  ]
}

/** `(95 % interval −0.6 to +0.1, 2000 samples)` */
function spread({ say }: Context, at: string, { ci95 }: PairedTest, show: (pointer: string) => Figure): Sentence {
  const samples = plain(`${at}/samples`)
  if (!ci95) return say` (${samples} samples, too few for an interval)`
  return say` (95 % interval ${show(`${at}/ci95/0`)} to ${show(`${at}/ci95/1`)}, ${samples} samples)`
}

/** How many samples would tell. */
const more = ({ say }: Context, at: string, { samples_needed }: PairedTest): Sentence[] =>
  samples_needed === null ? [] : [say`About ${plain(`${at}/samples_needed`)} samples like these would tell.`]

/** What training won over the best row without it, and at what cost. */
function trainingOf(context: Context): Sentence[] {
  const { table, decision, say } = context
  const { trained } = decision
  const test = trained === null ? null : table.rows[trained]!.tests.post_training
  if (trained === null || !test) return []
  const at = `/rows/${trained}/tests/post_training`
  const { of, name, unit, show, margin } = unitOf(context, trained)
  const cost = test.cost_ratio === null ? say`` : say` at ${decimal(`${at}/cost_ratio`)} times the cost`
  const gain = say`${nameOf(trained)} against ${nameOf(test.row)}, the best without training: ${show(`${at}/gain`)} ${unit}${of}${name}`
  const isSmall = test.outcome === 'better' && !pays(table, table.rows[trained]!)
  const verdict = {
    better: isSmall ? say`: significant, but less than the margin of ${margin} ${unit}.` : say`: it pays.`,
    worse: say`: it is worse.`,
    equal: say`: no difference that matters, not worth it.`,
    unclear: say`: too few samples to tell.`,
  }[test.outcome]
  return [joined(gain, spread(context, at, test, show), cost, verdict)]
}

/** What the recommended row gives, or what the best of the useless ones does not. */
function worthOf({ table, decision, say }: Context): Sentence[] {
  const row = decision.reason === 'useless' ? decision.untrained : decision.row
  const taken = row === null ? undefined : table.rows[row]
  if (row === null || !taken || taken.size_ratio === null) return []
  const at = `/rows/${row}`
  const size = say`${nameOf(row)} has ${percent(`${at}/size_ratio`)} of the size`
  const speed = taken.latency_ms?.on_target
    ? say` and runs ${times(`${at}/latency_ms/speedup`)} times as fast as the float model.`
    : say`; its speed shows on hardware that is not here.`
  const broken =
    taken.conformance?.ok === false
      ? [say`${nameOf(row)} breaks ${plain(`${at}/conformance/violations`)} rules of the target.`]
      : []
  return [joined(size, speed), ...broken]
}

function failuresOf({ table, decision, say }: Context): Sentence[] {
  return table.rows.flatMap(({ target, status, error }, i) =>
    target === decision.target && status === 'failed' && error
      ? [say`${nameOf(i)} failed with ${plain(`/rows/${i}/error/code`)}.`]
      : [],
  )
}

const joined = (...parts: readonly Sentence[]): Sentence => ({
  text: parts.map(({ text }) => text).join(''),
  pointers: parts.flatMap(({ pointers }) => pointers),
})
