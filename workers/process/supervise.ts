/** Runs one runner process to its end: hands it the spec, listens, enforces the limits, and kills its whole process group. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import type { OutputFile, RunnerMessage, RunnerSpec } from '../../src/contract/runner-protocol.ts'
import { FewbitError, isErrorCode, messageOf } from '../../src/shared/errors.ts'
import { type Confined, giveFilter } from './confine.ts'
import { errorOfExit } from './exit.ts'
import { watchKernelKills } from './kernel-kills.ts'
import { type Limits, watchLimits } from './limits.ts'
import { readPaced } from './paced.ts'
import { messageReader } from './read-messages.ts'
import { inputsIn } from './written.ts'

export interface Supervision {
  /** the complete command line, what its confinement needs, and what ends it */
  confined: Confined
  /** the job's own directory, where the command starts */
  directory: string
  env: Record<string, string>
  spec: RunnerSpec
  limits: Limits
  /** its reason becomes the ending's */
  signal: AbortSignal
  /** Asked before a runner is killed for a reason or a broken limit: milliseconds in which it may end on its own. */
  graceFor?: (cause: unknown) => number
  /** progress and warnings */
  onMessage: (message: RunnerMessage) => void
  /** bytes that its processes hold, a few times a second */
  onResident?: (bytes: number) => void
  /** the end of what the runner wrote to its standard error */
  onStderr: (text: string) => void
}

export type Ending =
  | { kind: 'finished'; files: OutputFile[] }
  | { kind: 'failed'; error: FewbitError }
  | { kind: 'stopped'; reason: unknown }

const MAX_STDERR = 64 << 10

/** Resolves when the process is gone; the first cause of its end counts. */
export async function supervise(run: Supervision): Promise<Ending> {
  const inputs = await inputsIn(run.directory)
  if (run.signal.aborted) return { kind: 'stopped', reason: run.signal.reason }
  const kernel = watchKernelKills()
  const child = start(run)
  let ending: Ending | undefined
  const end = (reason: Ending) => {
    ending ??= reason
    killGroup(child)
  }
  let waiting: NodeJS.Timeout | undefined
  const endLater = (cause: unknown, reason: Ending) => {
    const ms = ending || waiting ? 0 : (run.graceFor?.(cause) ?? 0)
    if (ms === 0) end(reason)
    else waiting = setTimeout(end, ms, reason)
  }
  const fail = (error: FewbitError) => endLater(error, { kind: 'failed', error })
  const stop = () => endLater(run.signal.reason, { kind: 'stopped', reason: run.signal.reason })
  const unwatch = watchLimits(
    {
      pid: child.pid ?? 0,
      marks: run.confined.marks,
      directory: run.directory,
      inputs,
      limits: run.limits,
      onResident: run.onResident,
    },
    fail,
  )
  run.signal.addEventListener('abort', stop, { once: true })
  listen(child, (message) => receive(message, run.onMessage, end), fail)
  const stderr = tail(child.stderr!)
  try {
    const exit = await exited(child)
    return ending ?? { kind: 'failed', error: errorOfExit({ ...exit, stderr: stderr(), byKernel: kernel.recent() }) }
  } finally {
    clearTimeout(waiting)
    unwatch()
    kernel.close()
    run.signal.removeEventListener('abort', stop)
    if (stderr()) run.onStderr(stderr())
  }
}

function start({ confined, directory, env, spec }: Supervision): ChildProcess {
  const [file, ...args] = confined.command
  const stdio = ['pipe', 'ignore', 'pipe', 'pipe', confined.filter ? 'pipe' : 'ignore'] as const
  const child = spawn(file!, args, { cwd: directory, env, detached: true, stdio: [...stdio] })
  if (confined.filter) giveFilter(child, confined.filter)
  // Standard input stays open: its end tells the runner that the supervisor is gone.
  child.stdin!.on('error', () => {}).write(`${JSON.stringify(spec)}\n`)
  return child
}

function listen(child: ChildProcess, take: (message: RunnerMessage) => void, fail: (error: FewbitError) => void): void {
  const read = messageReader(take)
  const channel = child.stdio[3] as Readable
  channel.on('error', () => {})
  readPaced(channel, (chunk) => {
    try {
      read(chunk)
    } catch (error) {
      channel.removeAllListeners('data').resume()
      fail(
        new FewbitError('runner_crashed', 'the runner sent a message that cannot be read', { cause: messageOf(error) }),
      )
    }
  })
}

/** Result and error are last words: a thread of the runner blocks on its standard input, so it cannot exit on its own. */
function receive(
  message: RunnerMessage,
  forward: (message: RunnerMessage) => void,
  end: (reason: Ending) => void,
): void {
  if (message.type === 'result') end({ kind: 'finished', files: message.files })
  else if (message.type === 'error') end({ kind: 'failed', error: errorOf(message) })
  else forward(message)
}

function errorOf({ code, detail, stage, param, hint }: Extract<RunnerMessage, { type: 'error' }>): FewbitError {
  const extra = { stage, ...(param !== undefined && { param }), ...(hint !== undefined && { hint }) }
  return new FewbitError(isErrorCode(code) ? code : 'quantization_failed', detail, extra)
}

function exited(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(new FewbitError('runner_unavailable', 'the runner could not be started', { cause: error })),
    )
    child.once('exit', () => killGroup(child))
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid) process.kill(-pid, 'SIGKILL')
  } catch {
    // nobody is left in it
  }
}

function tail(stream: Readable): () => string {
  let kept = ''
  stream.on('error', () => {})
  readPaced(stream, (chunk) => {
    kept = (kept + chunk.toString('utf8')).slice(-MAX_STDERR)
  })
  return () => kept
}
