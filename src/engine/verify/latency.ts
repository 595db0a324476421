/** Latency of two sessions, interleaved so that both see the same machine. */
import type { Metrics } from '../report.ts'
import type { RunTensor, Session } from '../runtime/runner.ts'

type Latency = NonNullable<Metrics['latency_ms']>

export interface LatencyInput {
  float: Session
  quantized: Session
  floatFeeds: Record<string, RunTensor>
  quantizedFeeds: Record<string, RunTensor>
  threads: number
  batch: number
  measuredOn: string
  now: () => number
}

const WARM_UP = 5
const LEAST_RUNS = 20
const MOST_RUNS = 200
const BUDGET_MS = 4000

/** p50 and p95 in milliseconds of single runs: at least 20 pairs, at most 200 or four seconds. */
export async function measureLatency(input: LatencyInput): Promise<Latency> {
  const times: Record<'float' | 'quantized', number[]> = { float: [], quantized: [] }
  const time = async (which: 'float' | 'quantized') => {
    const started = input.now()
    await input[which].run(which === 'float' ? input.floatFeeds : input.quantizedFeeds)
    return input.now() - started
  }
  for (let i = 0; i < WARM_UP; i++) for (const which of ['float', 'quantized'] as const) await time(which)
  const started = input.now()
  for (let i = 0; i < MOST_RUNS && (i < LEAST_RUNS || input.now() - started < BUDGET_MS); i++) {
    const order = i % 2 === 0 ? (['float', 'quantized'] as const) : (['quantized', 'float'] as const)
    for (const which of order) times[which].push(await time(which))
  }
  const [float, quantized] = [percentiles(times.float), percentiles(times.quantized)]
  return {
    float,
    quantized,
    speedup: float.p50 / quantized.p50,
    threads: input.threads,
    runs: times.float.length,
    batch: input.batch,
    measured_on: input.measuredOn,
  }
}

function percentiles(times: number[]): { p50: number; p95: number } {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
  return { p50: at(0.5), p95: at(0.95) }
}
