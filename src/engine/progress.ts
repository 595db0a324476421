/** From steps within phases to one fraction that only grows. */
import type { Phase, RunnerMessage } from '../contract/runner-protocol.ts'

/** Share of a usual job's time, in order. */
const SHARES: Record<Phase, number> = {
  preparing: 0.1,
  planning: 0.02,
  calibrating: 0.2,
  training: 0.2,
  quantizing: 0.08,
  verifying: 0.25,
  measuring: 0.12,
  packaging: 0.03,
}

const MESSAGES: Record<Phase, string> = {
  preparing: 'folding constants and finding shapes',
  planning: 'choosing what to quantize',
  calibrating: 'reading ranges of activations',
  training: 'training under quantization',
  quantizing: 'writing integers',
  verifying: 'comparing both models on held-out samples',
  measuring: 'measuring latency',
  packaging: 'writing the results',
}

export interface Stage {
  name: Phase
  seconds: number
}

export interface ProgressMeter {
  report(phase: Phase, step: number, total: number): void
  /** time spent in each phase so far */
  stages(): Stage[]
}

/** `now` in milliseconds. */
export function createProgressMeter(emit: (message: RunnerMessage) => void, now: () => number): ProgressMeter {
  const spent = new Map<Phase, number>()
  let current: { phase: Phase; since: number } | null = null
  let reached = 0
  const enter = (phase: Phase) => {
    if (current?.phase === phase) return
    if (current) spent.set(current.phase, (spent.get(current.phase) ?? 0) + now() - current.since)
    current = { phase, since: now() }
  }
  return {
    report: (phase, step, total) => {
      enter(phase)
      reached = Math.max(reached, fractionAt(phase, total > 0 ? step / total : 0))
      const counted = total > 1 ? `${MESSAGES[phase]} (${step} of ${total})` : MESSAGES[phase]
      emit({ type: 'progress', phase, fraction: reached, step, total_steps: total, message: counted })
    },
    stages: () => {
      const open = current ? [[current.phase, now() - current.since] as const] : []
      const all = new Map(spent)
      for (const [phase, ms] of open) all.set(phase, (all.get(phase) ?? 0) + ms)
      return [...all].map(([name, ms]) => ({ name, seconds: ms / 1000 }))
    },
  }
}

function fractionAt(phase: Phase, within: number): number {
  const names = Object.keys(SHARES) as Phase[]
  const before = names.slice(0, names.indexOf(phase)).reduce((sum, name) => sum + SHARES[name], 0)
  return Math.min(1, before + SHARES[phase] * Math.min(1, within))
}
