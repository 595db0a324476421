/** One attempt of one job, from the claim to its published end. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { settleComparison } from '../../src/comparisons/settle-comparison.ts'
import { factsOf } from '../../src/contract/method-facts.ts'
import { STOP_FILE } from '../../src/contract/runner-protocol.ts'
import type { Deps } from '../../src/deps.ts'
import { type Claim, claimJob } from '../../src/jobs/attempt/claim-job.ts'
import { dropCheckpoint } from '../../src/jobs/attempt/keep-checkpoint.ts'
import type { JobRecord } from '../../src/jobs/record/job.ts'
import { FewbitError, messageOf } from '../../src/shared/errors.ts'
import type { Span } from '../../src/telemetry/span.ts'
import { traced } from '../../src/telemetry/tracing.ts'
import type { Confined } from '../process/confine.ts'
import type { Limits } from '../process/limits.ts'
import type { Sandbox } from '../process/sandbox.ts'
import { type Ending, supervise } from '../process/supervise.ts'
import { openCostMeter } from './cost-meter.ts'
import { asFault } from './faults.ts'
import { type Forwarder, openForwarder } from './forward.ts'
import { placeInputs } from './inputs.ts'
import { makeJobDirectory, removeJobDirectory } from './job-directory.ts'
import { killReasonOf } from './kill-reason.ts'
import { persist } from './persist.ts'
import { openPublication } from './publish.ts'
import { type Settled, settle, settleFailure } from './settle.ts'
import { openStages, type Stages } from './stages.ts'
import { openStopSignal } from './stop-signal.ts'

export interface RunnerHost {
  sandbox: Sandbox
  /** the command that starts a runner, before confinement */
  runner: readonly string[]
}

/** `signal` aborts with a StopReason. Throws unavailable when Redis stays away. */
export async function runJob(deps: Deps, host: RunnerHost, jobId: string, signal: AbortSignal): Promise<Settled> {
  const claim = await persist(() => claimJob(deps, jobId, host.sandbox.name))
  if (!claim) {
    await dropCheckpoint(deps, jobId)
    return 'done'
  }
  const correlation = deps.correlation ?? claim.job.correlation ?? undefined
  const own = { job_id: jobId, attempt: claim.attempt, ...(correlation && { request_id: correlation.request_id }) }
  const known = { ...deps, correlation, log: deps.log.child(own) }
  const attributes = { 'fewbit.job_id': jobId, 'fewbit.attempt': claim.attempt, 'fewbit.method': methodOf(claim) }
  return traced(deps.tracing, 'attempt', { kind: 'consumer', parent: correlation?.traceparent, attributes }, (span) =>
    runClaim(known, host, { claim, span }, signal),
  )
}

interface Traced {
  claim: Claim
  /** of the attempt */
  span: Span
}

const methodOf = ({ job }: Claim) => job.options.method.type

async function runClaim(deps: Deps, host: RunnerHost, { claim, span }: Traced, signal: AbortSignal): Promise<Settled> {
  deps.log.info('attempt starts')
  await tellComparison(deps, claim)
  const stop = openStopSignal(deps, claim, signal)
  try {
    const settled = await settledAttempt(deps, host, { claim, span }, stop.signal)
    await persist(() => dropCheckpoint(deps, claim.jobId))
    await tellComparison(deps, claim)
    return settled
  } finally {
    stop.close()
  }
}

/** What fails here is done by the reconciler. */
async function tellComparison(deps: Deps, { job: { comparison_id: id } }: Claim): Promise<void> {
  if (id === null) return
  await settleComparison(deps, id).catch((error) =>
    deps.log.warn({ comparison_id: id, reason: messageOf(error) }, 'to be brought up to date by the reconciler'),
  )
}

async function settledAttempt(
  deps: Deps,
  host: RunnerHost,
  { claim, span }: Traced,
  signal: AbortSignal,
): Promise<Settled> {
  const made = await makeJobDirectory(deps.config.DATA_DIR, `${claim.jobId}-${claim.attempt}`).catch(asFault)
  if (made instanceof Error) return settleFailure(deps, claim, made, signal)
  const stages = openStages(deps, methodOf(claim), span)
  try {
    const ending = await runAttempt(deps, host, { claim, span, stages }, made, signal)
    stages.within(span)
    stages.enter('publishing')
    span.set({ 'fewbit.ending': ending.kind })
    deps.log.info({ ending: ending.kind, reason: reasonOf(ending) }, 'attempt ended')
    if (ending.kind !== 'finished') return await settle(deps, claim, ending, signal)
    const publication = openPublication(made, ending.files, limitsOf(deps, claim.job))
    return await settle(deps, claim, { kind: 'finished', publication }, signal)
  } finally {
    stages.end()
    await removeJobDirectory(made)
  }
}

async function runAttempt(
  deps: Deps,
  host: RunnerHost,
  { claim, span, stages }: Traced & { stages: Stages },
  directory: string,
  signal: AbortSignal,
): Promise<Ending> {
  const limits = limitsOf(deps, claim.job)
  const forwarder = openForwarder(deps, claim, { directory, limits, enter: stages.enter })
  const meter = openCostMeter()
  let confined: Confined | undefined
  try {
    const spec = await placeInputs(deps, claim.job, directory)
    confined = await host.sandbox.confine(host.runner, directory, limits)
    const run = {
      confined,
      directory,
      spec,
      limits,
      signal,
      graceFor: (cause: unknown) => askToStop(deps, claim, forwarder, directory, cause),
      onMessage: forwarder.take,
      onResident: meter.see,
      onStderr: (text: string) => deps.log.debug({ stderr: text }, 'the runner said'),
    }
    const ending = await traced(deps.tracing, 'runner', { parent: span.traceparent }, (of) => {
      stages.within(of)
      return supervise({ ...run, env: environmentOf(deps, of) })
    })
    const reason = killReasonOf(ending)
    if (reason !== null) deps.metrics.kills.inc({ reason })
    return ending
  } catch (error) {
    return { kind: 'failed', error: asFault(error) }
  } finally {
    await confined?.end()
    await forwarder.close()
    await meter.keep(deps, claim, signal)
  }
}

/** A training, or a ladder of methods, that shall end keeps the best so far when it is asked to. Milliseconds that it has for that. */
function askToStop({ config }: Deps, { job }: Claim, forwarder: Forwarder, directory: string, cause: unknown): number {
  const isLate = cause instanceof FewbitError && cause.code === 'time_limit'
  const trains = forwarder.phase() === 'training' && (isLate || cause === 'canceled')
  // the best of a ladder that is canceled is in the store already
  if (!trains && !(isLate && factsOf(job.options.method).climbs)) return 0
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

function limitsOf({ config }: Deps, { limits }: JobRecord): Limits {
  return {
    seconds: limits.max_runtime_seconds,
    memoryBytes: config.RUNNER_MEMORY_BYTES,
    outputBytes: config.RUNNER_OUTPUT_BYTES,
    threads: config.RUNNER_THREADS,
  }
}

/** All that a runner learns of its surroundings. */
function environmentOf({ config }: Deps, { traceparent }: Span): Record<string, string> {
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    ORT_DISABLE_TELEMETRY: '1',
    OMP_NUM_THREADS: String(config.RUNNER_THREADS),
    ...(traceparent !== undefined && { TRACEPARENT: traceparent }),
  }
}

function reasonOf(ending: Ending): unknown {
  if (ending.kind === 'failed') return `${ending.error.code}: ${messageOf(ending.error)}`
  return ending.kind === 'stopped' ? ending.reason : undefined
}
