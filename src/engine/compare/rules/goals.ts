/** Whether a row meets the goals of a comparison. */
import type { ComparisonRow } from '../../../contract/comparison.ts'
import type { Goals } from '../../../contract/goals.ts'

type Reached = Pick<ComparisonRow, 'accuracy' | 'latency_ms' | 'size_bytes'>

/** Null: it could not be checked. */
const CHECKS: { [name in keyof Goals]-?: (row: Reached, goal: number) => boolean | null } = {
  max_accuracy_drop: ({ accuracy }, goal) => accuracy && accuracy.drop <= goal,
  min_speedup: ({ latency_ms }, goal) => (latency_ms?.on_target ? latency_ms.speedup >= goal : null),
  max_size_bytes: ({ size_bytes }, goal) => (size_bytes === null ? null : size_bytes <= goal),
}

const NAMES = Object.keys(CHECKS) as (keyof Goals)[]

/** True: all of them; null: none was missed, but not all could be checked, or there are none. */
export function meetsGoals(row: Reached, goals: Goals, names: readonly (keyof Goals)[] = NAMES): boolean | null {
  const answers = names.flatMap((name) => (goals[name] === undefined ? [] : [CHECKS[name](row, goals[name])]))
  if (answers.includes(false)) return false
  return answers.length === 0 || answers.includes(null) ? null : true
}
