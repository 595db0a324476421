/** When a failed delivery is tried again: the table of Standard Webhooks, with jitter, or later when the receiver says so. */
import type { Config } from '../shared/config.ts'

const JITTER = 0.1
const MAX_RETRY_AFTER_MS = 24 * 3_600_000

/** Milliseconds between the attempts. */
export function retryDelays({ WEBHOOK_RETRY_SECONDS }: Pick<Config, 'WEBHOOK_RETRY_SECONDS'>): number[] {
  return WEBHOOK_RETRY_SECONDS.split(',').map((seconds) => Number(seconds) * 1000)
}

/** `random` lies in 0..1; the delay grows by at most a tenth. */
export function delayBefore(delays: readonly number[], failures: number, retryAfterMs: number, random: number): number {
  const delay = delays[Math.min(failures, delays.length) - 1] ?? 0
  return Math.round(Math.max(delay * (1 + JITTER * random), Math.min(retryAfterMs, MAX_RETRY_AFTER_MS)))
}

/** `Retry-After` as seconds or as a date; 0 when absent. */
export function parseRetryAfter(value: string | string[] | undefined): number {
  const text = String(value ?? '')
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now()
  return Number.isNaN(ms) ? 0 : Math.max(0, ms)
}
