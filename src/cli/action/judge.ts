/** Whether a pull request may pass: limits against figures that have intervals. */
import type { Metrics } from '../../contract/report.ts'

export interface Limits {
  /** as a fraction */
  maxAccuracyDrop?: number
  minSpeedup?: number
  /** quantized ÷ float */
  maxSizeRatio?: number
  /** fails on what may be chance, too */
  isStrict: boolean
}

export interface Finding {
  level: 'error' | 'warning' | 'notice'
  text: string
}

const short = (value: number): string => String(Number(value.toPrecision(3)))

/** One finding for each limit that was set. */
export function judge(metrics: Metrics, limits: Limits): Finding[] {
  return [...accuracy(metrics, limits), ...speed(metrics, limits), ...size(metrics, limits)]
}

/** Beyond the limit with its whole 95 % interval is certain; with a part of it, it may be chance. */
function accuracy({ accuracy }: Metrics, { maxAccuracyDrop: limit, isStrict }: Limits): Finding[] {
  if (limit === undefined) return []
  if (!accuracy) return [{ level: 'error', text: 'The accuracy was not measured: evaluation names labelled data.' }]
  const { metric, drop, ci95, samples } = accuracy
  const [low = drop, high = drop] = ci95
  const said = `The ${metric} drop is ${short(drop)} (95 % interval ${short(low)} to ${short(high)}, ${samples} samples), the limit ${limit}`
  if (low > limit) return [{ level: 'error', text: `${said}: beyond it.` }]
  if (drop > limit)
    return [{ level: isStrict ? 'error' : 'warning', text: `${said}: beyond it, or chance; more samples would tell.` }]
  if (high > limit) return [{ level: 'notice', text: `${said}: within it, as far as so few samples can tell.` }]
  return [{ level: 'notice', text: `${said}: within it.` }]
}

function speed({ latency_ms }: Metrics, { minSpeedup: limit }: Limits): Finding[] {
  if (limit === undefined) return []
  if (!latency_ms) return [{ level: 'error', text: 'The speed was not measured on this machine.' }]
  const said = `The artifact is ${short(latency_ms.speedup)} times as fast as the float model, the limit is ${limit}`
  return [
    latency_ms.speedup < limit ? { level: 'error', text: `${said}: too slow.` } : { level: 'notice', text: `${said}.` },
  ]
}

function size({ size_bytes: { ratio } }: Metrics, { maxSizeRatio: limit }: Limits): Finding[] {
  if (limit === undefined) return []
  const said = `The artifact has ${short(ratio)} of the float model's size, the limit is ${limit}`
  return [ratio > limit ? { level: 'error', text: `${said}: too large.` } : { level: 'notice', text: `${said}.` }]
}
