/** One attempt of one job, from the claim to its published end. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { STOP_FILE } from '../../src/contract/runner-protocol.ts'
import type { Deps } from '../../src/deps.ts'
import { type Claim, claimJob } from '../../src/jobs/attempt/claim-job.ts'
import { finishJob, type Outcome } from '../../src/jobs/attempt/finish-job.ts'
import { dropCheckpoint } from '../../src/jobs/attempt/keep-checkpoint.ts'
import { releaseJob } from '../../src/jobs/attempt/release-job.ts'
import type { JobRecord } from '../../src/jobs/record/job.ts'
import { FewbitError, messageOf } from '../../src/shared/errors.ts'
import type { Confined } from '../process/confine.ts'
import type { Limits } from '../process/limits.ts'
import type { Sandbox } from '../process/sandbox.ts'
import { type Ending, supervise } from '../process/supervise.ts'
import { letGo } from './collect.ts'
import { type Forwarder, openForwarder } from './forward.ts'
import { placeInputs } from './inputs.ts'
import { makeJobDirectory, removeJobDirectory } from './job-directory.ts'
import { persist } from './persist.ts'
import { successOf } from './publish.ts'
import { openStopSignal, type StopReason } from './stop-signal.ts'

export interface RunnerHost {
  sandbox: Sandbox
  /** the command that starts a runner, before confinement */
  runner: readonly string[]
}

/** `put back`: the worker shuts down and another one shall run the job. */
export type Settled = 'done' | 'put back'

/** `signal` aborts with a StopReason. Throws unavailable when Redis stays away. */
export async function runJob(deps: Deps, host: RunnerHost, jobId: string, signal: AbortSignal): Promise<Settled> {
  const claim = await persist(() => claimJob(deps, jobId, host.sandbox.name))
  if (!claim) {
    await dropCheckpoint(deps, jobId)
    return 'done'
  }
  const log = deps.log.child({ job: jobId, attempt: claim.attempt })
  log.info('attempt starts')
  const directory = await makeJobDirectory(deps.config.DATA_DIR, `${jobId}-${claim.attempt}`)
  try {
    const ending = await runAttempt({ ...deps, log }, host, claim, directory, signal)
    log.info({ ending: ending.kind, reason: reasonOf(ending) }, 'attempt ended')
    const settled = await settle(deps, claim, ending, directory)
    await persist(() => dropCheckpoint(deps, jobId))
    return settled
  } finally {
    await removeJobDirectory(directory)
  }
}

async function runAttempt(
  deps: Deps,
  host: RunnerHost,
  claim: Claim,
  directory: string,
  outer: AbortSignal,
): Promise<Ending> {
  const stop = openStopSignal(deps, claim, outer)
  const forwarder = openForwarder(deps, claim, directory)
  let confined: Confined | undefined
  try {
    const spec = await placeInputs(deps, claim.job, directory)
    const limits = limitsOf(deps, claim.job)
    confined = await host.sandbox.confine(host.runner, directory, limits)
    return await supervise({
      confined,
      directory,
      env: environmentOf(deps),
      spec,
      limits,
      signal: stop.signal,
      graceFor: (cause) => askToStop(deps, forwarder, directory, cause),
      onMessage: forwarder.take,
      onStderr: (text) => deps.log.debug({ stderr: text }, 'the runner said'),
    })
  } catch (error) {
    return { kind: 'failed', error: asFewbitError(error) }
  } finally {
    stop.close()
    await confined?.end()
    await forwarder.close()
  }
}

/** A training that shall end keeps the best so far when it is asked to. Milliseconds that it has for that. */
function askToStop({ config }: Deps, forwarder: Forwarder, directory: string, cause: unknown): number {
  const isAsked = cause === 'canceled' || (cause instanceof FewbitError && cause.code === 'time_limit')
  if (!isAsked || forwarder.phase() !== 'training') return 0
  askInFile(join(directory, STOP_FILE))
  return config.TRAINING_STOP_SECONDS * 1000
}

/** Never through what the runner put there, which may be a link to a file of ours. */
function askInFile(path: string): void {
  try {
    writeFileSync(path, '', { flag: 'wx' })
  } catch {
    // something of that name asks as well
  }
}

async function settle(deps: Deps, claim: Claim, ending: Ending, directory: string): Promise<Settled> {
  if (ending.kind === 'stopped') return STOPPED[ending.reason as StopReason](deps, claim)
  const outcome = await outcomeOf(deps, claim, ending, directory)
  const published = await persist(() => finishJob(deps, claim, outcome))
  if (!published && outcome.status === 'succeeded') await letGo(deps, outcome.artifacts)
  return 'done'
}

const STOPPED: Record<StopReason, (deps: Deps, claim: Claim) => Promise<Settled>> = {
  canceled: async (deps, claim) => {
    await persist(() => finishJob(deps, claim, { status: 'canceled' }))
    return 'done'
  },
  lost: async () => 'done',
  shutdown: async (deps, claim) => ((await releaseJob(deps, claim)) ? 'put back' : 'done'),
}

async function outcomeOf(
  deps: Deps,
  claim: Claim,
  ending: Exclude<Ending, { kind: 'stopped' }>,
  directory: string,
): Promise<Outcome> {
  if (ending.kind === 'failed') return { status: 'failed', error: ending.error }
  const finished = { directory, files: ending.files, limits: limitsOf(deps, claim.job) }
  return persist(() => successOf(deps, claim, finished)).catch((error) => ({
    status: 'failed',
    error: asFewbitError(error),
  }))
}

function limitsOf({ config }: Deps, { limits }: JobRecord): Limits {
  return {
    seconds: limits.max_runtime_seconds,
    memoryBytes: config.RUNNER_MEMORY_BYTES,
    outputBytes: config.RUNNER_OUTPUT_BYTES,
    threads: config.RUNNER_THREADS,
  }
}

/** All that a runner learns of its surroundings. */
function environmentOf({ config }: Deps): Record<string, string> {
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    ORT_DISABLE_TELEMETRY: '1',
    OMP_NUM_THREADS: String(config.RUNNER_THREADS),
  }
}

function asFewbitError(error: unknown): FewbitError {
  return error instanceof FewbitError ? error : new FewbitError('internal', 'the worker failed', { cause: error })
}

function reasonOf(ending: Ending): unknown {
  if (ending.kind === 'failed') return `${ending.error.code}: ${messageOf(ending.error)}`
  return ending.kind === 'stopped' ? ending.reason : undefined
}
