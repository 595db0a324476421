/** Watches what a running job uses and says which limit it broke first. */
import { FewbitError } from '../../src/shared/errors.ts'
import { type Marks, markedBy } from './marks.ts'
import { residentBytes, threadsOf, treeOf } from './resident.ts'
import { filesOf } from './users.ts'
import { deletedBytes, type Inputs, writtenAt } from './written.ts'

export interface Limits {
  /** wall clock */
  seconds: number
  /** resident, of all processes together */
  memoryBytes: number
  /** of all files that the job writes */
  outputBytes: number
  threads: number
}

interface Watched {
  pid: number
  marks: Marks
  directory: string
  /** what was in the directory before */
  inputs: Inputs
  limits: Limits
  /** told at each look, in bytes of all processes together */
  onResident?: ((bytes: number) => void) | undefined
}

const PROCESSES_MS = 250
const FILES_MS = 500
const MAX_FILES = 10_000
/** of a runner and what it may start; ONNX Runtime has `threads` for each session */
const OWN_THREADS = 256
const SESSIONS = 16

/** Calls `breach` once or more; stop it by calling what it returns. */
export function watchLimits(watched: Watched, breach: (error: FewbitError) => void): () => void {
  const { limits } = watched
  const look = (measure: (watched: Watched) => Promise<FewbitError | null>) => async () => {
    const error = await measure(watched)
    if (error) breach(error)
  }
  const timers = [
    setTimeout(() => breach(tooLate(limits)), limits.seconds * 1000),
    setInterval(look(processesBreach), PROCESSES_MS),
    setInterval(look(filesBreach), FILES_MS),
  ]
  return () => timers.forEach(clearTimeout)
}

/** Processes and threads together. */
export function maxProcesses({ threads }: Pick<Limits, 'threads'>): number {
  return OWN_THREADS + SESSIONS * threads
}

export function tooMuchOutput({ outputBytes }: Limits): FewbitError {
  return new FewbitError('output_limit', `the job wrote more than ${outputBytes} bytes`)
}

async function processesBreach(watched: Watched): Promise<FewbitError | null> {
  const { limits, onResident } = watched
  const pids = await processesOf(watched)
  const used = await residentBytes(pids)
  onResident?.(used)
  if (used > limits.memoryBytes) return outOfMemory(used, limits)
  return (await threadsOf(pids)) > maxProcesses(limits) ? tooManyProcesses(limits) : null
}

async function filesBreach(watched: Watched): Promise<FewbitError | null> {
  const { directory, inputs, limits, marks } = watched
  const beside = marks.user === null ? [] : await filesOf(marks.user)
  const written = await writtenAt([directory, ...beside], inputs, { bytes: limits.outputBytes, files: MAX_FILES })
  if (written.kind === 'hidden') return new FewbitError('output_limit', 'the job wrote files that cannot be counted')
  if (written.files > MAX_FILES) return new FewbitError('output_limit', `the job wrote more than ${MAX_FILES} files`)
  const bytes = written.bytes + (await deletedBytes(await processesOf(watched)))
  return bytes > limits.outputBytes ? tooMuchOutput(limits) : null
}

async function processesOf({ pid, marks }: Watched): Promise<number[]> {
  const marked = marks.limit === null ? [] : await markedBy(marks.limit)
  return [...new Set([...(await treeOf(pid)), ...marked])]
}

function outOfMemory(used: number, { memoryBytes }: Limits): FewbitError {
  const hint = 'Calibrate with smaller batches, or ask the operator for a larger RUNNER_MEMORY_BYTES.'
  return new FewbitError('out_of_memory', `the job used ${used} bytes of memory, the limit is ${memoryBytes}`, { hint })
}

function tooManyProcesses(limits: Limits): FewbitError {
  return new FewbitError('runner_crashed', `the job started more than ${maxProcesses(limits)} processes and threads`)
}

function tooLate({ seconds }: Limits): FewbitError {
  return new FewbitError('time_limit', `the job ran longer than ${seconds} s`, { param: '/limits/max_runtime_seconds' })
}
