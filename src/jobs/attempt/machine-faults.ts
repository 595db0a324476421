/** Which errors say that a machine failed and not the job, and how often a job is tried again because of them. */
import type { ErrorCode } from '../../shared/errors.ts'

/** What a job may do to a machine, too: after so many such attempts it is the job's fault. */
const SUSPICIOUS = 5
/** Until the time is over that the job may wait. */
const INNOCENT = Number.POSITIVE_INFINITY

const MOST_ATTEMPTS: Partial<Record<ErrorCode, number>> = {
  unavailable: INNOCENT,
  store_unavailable: INNOCENT,
  insufficient_storage: INNOCENT,
  disk_full: INNOCENT,
  disk_failed: INNOCENT,
  runner_unavailable: INNOCENT,
  runner_killed: SUSPICIOUS,
  machine_out_of_memory: SUSPICIOUS,
}

const FIRST_DELAY_MS = 1000
const LONGEST_DELAY_MS = 60_000

export const isMachineFault = (code: ErrorCode): boolean => code in MOST_ATTEMPTS

/** Attempts that may end so; 0 for the faults of jobs. */
export const mostAttempts = (code: ErrorCode): number => MOST_ATTEMPTS[code] ?? 0

/** Milliseconds before the next attempt, after so many that met a fault before this one. */
export const delayAfter = (faults: number): number =>
  Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(faults, 10))
