/** Measures how long each phase of an attempt takes; a phase may be entered several times. */
import type { MethodName } from '../../src/contract/recipe.ts'
import type { Deps } from '../../src/deps.ts'
import type { Span } from '../../src/telemetry/span.ts'

export interface Stages {
  /** whose parts the phases from now on are */
  within(span: Span): void
  /** Ends the phase before. To enter the phase at hand changes nothing. */
  enter(phase: string): void
  /** Ends the last phase and hands in the sums. */
  end(): void
}

/** `whole`: the span of the attempt. */
export function openStages({ metrics, tracing }: Deps, method: MethodName, whole: Span): Stages {
  const seconds = new Map<string, number>()
  let parent = whole.traceparent
  const begin = (phase: string) => ({ phase, since: performance.now(), span: tracing.start(phase, { parent }) })
  let at = begin('starting')
  const leave = () => {
    seconds.set(at.phase, (seconds.get(at.phase) ?? 0) + (performance.now() - at.since) / 1000)
    at.span.end()
  }
  return {
    within(span) {
      parent = span.traceparent
    },
    enter(phase) {
      if (phase === at.phase) return
      leave()
      at = begin(phase)
    },
    end() {
      leave()
      for (const [phase, took] of seconds) metrics.phases.observe({ method, phase }, took)
    },
  }
}
