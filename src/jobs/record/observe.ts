/** Metrics of a job's record: what a write that has happened says of waiting and of work. */
import type { Metrics } from '../../telemetry/metrics.ts'
import { isTerminal, type JobRecord } from './job.ts'

export function observe(metrics: Metrics, record: JobRecord, before: JobRecord | null): void {
  const { status, started_at } = record
  if (status === before?.status) return
  const method = record.options.method.type
  metrics.transitions.inc({ status, method })
  if (status === 'running' && before?.status === 'queued')
    metrics.waits.observe({ method }, secondsSince(before.queued_at))
  if (isTerminal(status) && started_at !== null) metrics.durations.observe({ method, status }, secondsSince(started_at))
}

/** Clocks of several machines differ a little. */
const secondsSince = (time: string): number => Math.max(0, (Date.now() - Date.parse(time)) / 1000)
