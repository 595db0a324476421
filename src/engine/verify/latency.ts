/** Latency of two sessions, in turns so that both see the same machine. */

import type { Metrics } from '../../contract/report.ts'
import { at } from '../ir/list.ts'
import type { RunTensor, Session } from '../runtime/runtime.ts'
import { timesInTurns } from '../runtime/turns.ts'

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

const TURNS = { most: 200, least: 10, budgetMs: 4000 }
const RUNS_IN_PARTS = 5

/** p50 and p95 in milliseconds of single runs: about 200 of each, or what fits into four seconds and at least 10; five runs of models in parts. */
export async function measureLatency(input: LatencyInput): Promise<Latency> {
  const { float, quantized, threads, batch, measuredOn } = input
  const times = float.time || quantized.time ? await timesInParts(input) : await timesInterleaved(input)
  const found = { float: percentiles(times.float), quantized: percentiles(times.quantized) }
  return {
    ...found,
    speedup: found.float.p50 / found.quantized.p50,
    threads,
    runs: times.float.length,
    batch,
    measured_on: measuredOn,
  }
}

interface Times {
  float: number[]
  quantized: number[]
}

/** A model in parts cannot take turns with another one: it would load them again and again. */
async function timesInParts({ float, quantized, floatFeeds, quantizedFeeds, now }: LatencyInput): Promise<Times> {
  const time = (session: Session, feeds: Record<string, RunTensor>) =>
    session.time?.(feeds, RUNS_IN_PARTS, now) ?? timesOf(session, feeds, now)
  return { float: await time(float, floatFeeds), quantized: await time(quantized, quantizedFeeds) }
}

async function timesOf(session: Session, feeds: Record<string, RunTensor>, now: () => number): Promise<number[]> {
  const times: number[] = []
  await session.run(feeds)
  for (let i = 0; i < RUNS_IN_PARTS; i++) {
    const started = now()
    await session.run(feeds)
    times.push(now() - started)
  }
  return times
}

async function timesInterleaved(input: LatencyInput): Promise<Times> {
  const runs = [() => input.float.run(input.floatFeeds), () => input.quantized.run(input.quantizedFeeds)]
  const [float, quantized] = await timesInTurns(runs, { ...TURNS, threads: input.threads, now: input.now })
  return { float: float!, quantized: quantized! }
}

export function percentiles(times: readonly number[]): { p50: number; p95: number } {
  const sorted = times.toSorted((a, b) => a - b)
  const quantile = (share: number) => at(sorted, Math.min(sorted.length - 1, Math.floor(share * sorted.length)))
  return { p50: quantile(0.5), p95: quantile(0.95) }
}
