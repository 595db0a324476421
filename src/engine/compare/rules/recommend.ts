/** The verdict on every target, and the target that is served best. */
import type { Comparison, Verdict } from '../../../contract/comparison.ts'
import { decide, mostUseful, type Table } from './verdict.ts'
import { sentencesFor } from './words.ts'

/** Of a table with all tests in it. */
export function recommend(table: Table): Pick<Comparison, 'recommendation' | 'verdicts'> {
  const targets = [...new Set(table.rows.filter(({ method }) => method !== 'float').map(({ target }) => target))]
  const verdicts = targets.map((target) => verdictOn(table, target))
  return { recommendation: chosen(table, verdicts), verdicts }
}

function verdictOn(table: Table, target: string): Verdict {
  const decision = decide(table, target)
  const sentences = sentencesFor(table, decision)
  return {
    target,
    row: decision.row,
    verdict: decision.verdict,
    text: sentences.map(({ text }) => text).join(' '),
    evidence: sentences.flatMap(({ text, pointers }) => pointers.map((pointer) => ({ claim: text, pointer }))),
  }
}

/** Of the targets with a proven row the most useful one, else the first with a row, else the first. */
function chosen(table: Table, verdicts: readonly Verdict[]): Verdict | null {
  const proven = verdicts.filter(({ verdict }) => verdict === 'ptq_is_enough' || verdict === 'qat_pays')
  const row = mostUseful(
    table,
    proven.flatMap((verdict) => verdict.row ?? []),
  )
  const top = row === null ? undefined : proven.find((verdict) => verdict.row === row)
  const ran = table.rows.some(({ method, status }) => method !== 'float' && status === 'succeeded')
  return ran ? (top ?? verdicts.find((verdict) => verdict.row !== null) ?? verdicts[0] ?? null) : null
}
