/** Watches what a running child uses and says which limit it broke first. */
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { FewbitError } from '../../src/shared/errors.ts'
import { residentBytes } from './resident.ts'

export interface Limits {
  /** wall clock */
  seconds: number
  /** resident, of the whole process tree */
  memoryBytes: number
  /** of everything in the output directory */
  outputBytes: number
  threads: number
}

interface Watched {
  pid: number
  output: string
  limits: Limits
}

const MEMORY_MS = 250
const OUTPUT_MS = 500

/** Calls `breach` once or more; stop it by calling what it returns. */
export function watchLimits({ pid, output, limits }: Watched, breach: (error: FewbitError) => void): () => void {
  const memory = async () => {
    const used = await residentBytes(pid)
    if (used > limits.memoryBytes) breach(outOfMemory(used, limits))
  }
  const written = async () => {
    const bytes = await sizeOf(output)
    if (bytes > limits.outputBytes) breach(tooMuchOutput(limits))
  }
  const timers = [
    setTimeout(() => breach(tooLate(limits)), limits.seconds * 1000),
    setInterval(memory, MEMORY_MS),
    setInterval(written, OUTPUT_MS),
  ]
  return () => timers.forEach(clearTimeout)
}

/** Bytes of all files below a directory; links are not followed. */
export async function sizeOf(directory: string): Promise<number> {
  const names = await readdir(directory, { recursive: true }).catch(() => [])
  const sizes = await Promise.all(
    names.map((name) =>
      lstat(join(directory, name)).then(
        (found) => found.size,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

export function tooMuchOutput({ outputBytes }: Limits): FewbitError {
  return new FewbitError('output_limit', `the job wrote more than ${outputBytes} bytes`)
}

function outOfMemory(used: number, { memoryBytes }: Limits): FewbitError {
  const hint = 'Calibrate with smaller batches, or ask the operator for a larger RUNNER_MEMORY_BYTES.'
  return new FewbitError('out_of_memory', `the job used ${used} bytes of memory, the limit is ${memoryBytes}`, { hint })
}

function tooLate({ seconds }: Limits): FewbitError {
  return new FewbitError('time_limit', `the job ran longer than ${seconds} s`, { param: '/limits/max_runtime_seconds' })
}
