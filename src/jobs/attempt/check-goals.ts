/** Compares what a job reached with the goals of its request. */

import type { Goals } from '../../contract/goals.ts'
import type { Metrics, Warning } from '../../contract/report.ts'

const CHECKS: { [name in keyof Goals]-?: (goal: number, metrics: Metrics) => string | null } = {
  max_accuracy_drop: (goal, { accuracy }) => {
    if (!accuracy) return `the accuracy drop of at most ${goal} could not be checked: nothing was evaluated`
    return accuracy.drop <= goal
      ? null
      : `the ${accuracy.metric} drop is ${accuracy.drop}, the goal was at most ${goal}`
  },
  min_speedup: (goal, { latency_ms }) => {
    if (!latency_ms) return `the speedup of at least ${goal} could not be checked: no latency was measured`
    return latency_ms.speedup >= goal ? null : `the speedup is ${latency_ms.speedup}, the goal was at least ${goal}`
  },
  max_size_bytes: (goal, { size_bytes: { quantized } }) =>
    quantized <= goal ? null : `the artifact has ${quantized} bytes, the goal was at most ${goal}`,
}

/** One `goal_not_met` for each goal that was missed or could not be checked. */
export function checkGoals(goals: Goals | undefined, metrics: Metrics): Warning[] {
  const names = Object.keys(CHECKS) as (keyof Goals)[]
  return names.flatMap((name) => {
    const goal = goals?.[name]
    const detail = goal === undefined ? null : CHECKS[name](goal, metrics)
    return detail ? [{ code: 'goal_not_met', detail }] : []
  })
}
