/** What a rung did not reach: of the goals, and of what everybody expects who names none. */
import type { Goals } from '../../contract/goals.ts'
import type { Metrics } from '../../contract/report.ts'
import { isTimedHere, type Target } from '../targets/target.ts'
import type { Help } from './ladder.ts'

export interface Shortfall {
  /** what would help */
  lacks: Help
  /** relative to the goal: 1 is as far away as the goal is from nothing */
  size: number
  /** with its numbers */
  words: string
}

/** a point of accuracy or agreement; decibels where there are no classes */
const USUAL_DROP = 0.01
const USUAL_SQNR_DB = 30
/** an artifact that is neither this much smaller nor this much faster is no gain */
const LEAST = { smaller: 0.9, faster: 1.1 }

/** The goals as they are climbed for. */
export const withUsual = (goals: Goals): Goals => ({ max_accuracy_drop: USUAL_DROP, ...goals })

type Check = (metrics: Metrics, goals: Goals, target: Target) => Shortfall | null

const CHECKS: readonly Check[] = [lost, slow, large, pointless]

export const shortfallsOf = (metrics: Metrics, goals: Goals, target: Target): Shortfall[] =>
  CHECKS.flatMap((check) => check(metrics, goals, target) ?? [])

function lost({ accuracy, fidelity }: Metrics, { max_accuracy_drop: most = USUAL_DROP }: Goals): Shortfall | null {
  if (accuracy) return lossOf(accuracy.drop, most, `the ${accuracy.metric} drop is ${short(accuracy.drop)}`)
  if (!fidelity) return null
  const { agreement, sqnr_db } = fidelity
  if (agreement !== null)
    return lossOf(
      1 - agreement,
      most,
      `${short(1 - agreement)} of the largest classes are others than in the float model`,
    )
  if (sqnr_db >= USUAL_SQNR_DB) return null
  const words = `the outputs follow the float model at ${sqnr_db.toFixed(1)} dB, wanted are ${USUAL_SQNR_DB}`
  return { lacks: 'quality', size: (USUAL_SQNR_DB - sqnr_db) / USUAL_SQNR_DB, words }
}

const lossOf = (drop: number, most: number, words: string): Shortfall | null =>
  drop <= most
    ? null
    : {
        lacks: 'quality',
        size: (drop - most) / Math.max(Math.abs(most), 0.001),
        words: `${words}, the goal was at most ${short(most)}`,
      }

function slow({ latency_ms: latency }: Metrics, { min_speedup: least }: Goals, target: Target): Shortfall | null {
  if (least === undefined || !latency || !isTimedHere(target) || latency.speedup >= least) return null
  const words = `the speedup is ${latency.speedup.toFixed(2)}, the goal was at least ${least}`
  return { lacks: 'speed', size: (least - latency.speedup) / least, words }
}

function large({ size_bytes: { quantized } }: Metrics, { max_size_bytes: most }: Goals): Shortfall | null {
  if (most === undefined || quantized <= most) return null
  return {
    lacks: 'size',
    size: (quantized - most) / most,
    words: `it has ${quantized} bytes, the goal was at most ${most}`,
  }
}

function pointless(
  { size_bytes: { ratio }, latency_ms: latency }: Metrics,
  _: Goals,
  target: Target,
): Shortfall | null {
  const isFaster = isTimedHere(target) && latency !== null && latency.speedup >= LEAST.faster
  if (ratio <= LEAST.smaller || isFaster) return null
  const words = `it has ${(100 * ratio).toFixed(0)} % of the float model's size and is not faster: next to nothing was gained`
  return { lacks: 'size', size: ratio - LEAST.smaller, words }
}

const short = (value: number): string => String(Number(value.toFixed(4)))
