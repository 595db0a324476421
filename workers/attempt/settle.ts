/** From the end of a runner to what becomes of its job: published, failed, given back, or tried again when a fault is over. */
import type { Deps } from '../../src/deps.ts'
import type { Claim } from '../../src/jobs/attempt/claim-job.ts'
import { finishJob } from '../../src/jobs/attempt/finish-job.ts'
import { isMachineFault } from '../../src/jobs/attempt/machine-faults.ts'
import { postponeJob } from '../../src/jobs/attempt/postpone-job.ts'
import { releaseJob } from '../../src/jobs/attempt/release-job.ts'
import type { ErrorCode, FewbitError } from '../../src/shared/errors.ts'
import type { Ending } from '../process/supervise.ts'
import { asFault } from './faults.ts'
import { persist } from './persist.ts'
import { type Publication, publish } from './publish.ts'
import type { StopReason } from './stop-signal.ts'

/** Put back: another worker, or this one, shall run the job after a while. */
export type Settled = 'done' | { againAfterMs: number }

/** a finished job waits at least so long for room in the store */
const LEAST_PATIENCE_MS = 600_000

/** `publication`: what a finished runner left. Throws unavailable when the worker is told to stop while Redis is away. */
export async function settle(
  deps: Deps,
  claim: Claim,
  ending: Exclude<Ending, { kind: 'finished' }> | { kind: 'finished'; publication: Publication },
  signal: AbortSignal,
): Promise<Settled> {
  if (ending.kind === 'stopped') return STOPPED[ending.reason as StopReason](deps, claim)
  if (ending.kind === 'failed') return settleFailure(deps, claim, ending.error, signal)
  try {
    await persist(() => publish(deps, claim, ending.publication), { waits: patienceOf(claim), signal })
    return 'done'
  } catch (error) {
    if (signal.aborted) return STOPPED[signal.reason as StopReason](deps, claim)
    return settleFailure(deps, claim, asFault(error), signal)
  }
}

/** Nothing is in the way of a fault of the job; one of the machine is no end. */
export async function settleFailure(
  deps: Deps,
  claim: Claim,
  error: FewbitError,
  signal: AbortSignal,
): Promise<Settled> {
  const untilRedisIsBack = {
    waits: (code: ErrorCode) => (code === 'unavailable' ? Number.POSITIVE_INFINITY : 0),
    signal,
  }
  if (!isMachineFault(error.code)) {
    await persist(() => finishJob(deps, claim, { status: 'failed', error }), untilRedisIsBack)
    return 'done'
  }
  const againAfterMs = await persist(() => postponeJob(deps, claim, error), untilRedisIsBack)
  return againAfterMs === null ? 'done' : { againAfterMs }
}

const STOPPED: Record<StopReason, (deps: Deps, claim: Claim) => Promise<Settled>> = {
  canceled: async (deps, claim) => {
    await persist(() => finishJob(deps, claim, { status: 'canceled' }))
    return 'done'
  },
  lost: async () => 'done',
  shutdown: async (deps, claim) => ((await releaseJob(deps, claim)) ? { againAfterMs: 0 } : 'done'),
}

/** Without Redis no other job could run either; another fault may cost what the job might have run. */
function patienceOf({ job }: Claim): (code: ErrorCode) => number {
  const left = Math.max(LEAST_PATIENCE_MS, job.limits.max_runtime_seconds * 1000)
  return (code) => {
    if (code === 'unavailable') return Number.POSITIVE_INFINITY
    return isMachineFault(code) ? left : 0
  }
}
