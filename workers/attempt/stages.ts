/** Measures how long each phase of an attempt takes; a phase may be entered several times. */
import type { MethodName } from '../../src/contract/recipe.ts'
import type { Metrics } from '../../src/telemetry/metrics.ts'

export interface Stages {
  /** Ends the phase before. To enter the phase at hand changes nothing. */
  enter(phase: string): void
  /** Ends the last phase and hands in the sums. */
  end(): void
}

export function openStages(metrics: Pick<Metrics, 'phases'>, method: MethodName): Stages {
  const seconds = new Map<string, number>()
  let at = { phase: 'starting', since: performance.now() }
  const leave = () => {
    const now = performance.now()
    seconds.set(at.phase, (seconds.get(at.phase) ?? 0) + (now - at.since) / 1000)
    return now
  }
  return {
    enter(phase) {
      if (phase !== at.phase) at = { since: leave(), phase }
    },
    end() {
      leave()
      for (const [phase, took] of seconds) metrics.phases.observe({ method, phase }, took)
    },
  }
}
