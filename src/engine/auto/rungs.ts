/** What a rung was: its row in the report, and what it fell short of. */
import type { Rung as Climbed } from '../../contract/auto.ts'
import type { Goals } from '../../contract/goals.ts'
import type { Target } from '../../contract/recipe.ts'
import type { Report } from '../../contract/report.ts'
import type { FewbitError } from '../../shared/errors.ts'
import { failed, succeeded } from '../compare/facts.ts'
import { targetOf } from '../targets/index.ts'
import type { Rung } from './ladder.ts'
import { type Shortfall, shortfallsOf } from './shortfalls.ts'

export interface Tried {
  rung: Climbed
  seconds: number
  shortfalls: readonly Shortfall[]
  error: FewbitError | null
}

export function describeRung(
  { name, method }: Rung,
  target: Target,
  report: Report,
  goals: Goals,
  seconds: number,
): Tried {
  const shortfalls = shortfallsOf(report.metrics, goals, targetOf(target))
  const facts = succeeded({ name, target, method }, report, costOf(seconds))
  const missed = shortfalls.map(({ words }) => words)
  return {
    rung: { ...facts, options: method, meets_goals: missed.length === 0, missed },
    seconds,
    shortfalls,
    error: null,
  }
}

export function failedRung({ name, method }: Rung, target: Target, error: FewbitError, seconds: number): Tried {
  const facts = failed({ name, target, method }, error, costOf(seconds))
  return { rung: { ...facts, options: method, meets_goals: null, missed: [] }, seconds, shortfalls: [], error }
}

/** Memory is that of the process, which other rungs used as well. */
const costOf = (seconds: number) => ({ seconds, peak_memory_bytes: null })
