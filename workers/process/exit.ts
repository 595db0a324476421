/** Why a runner that did not say so itself has ended: from exit code, signal and last words to an error. */
import { constants } from 'node:os'
import { type ErrorCode, FewbitError } from '../../src/shared/errors.ts'

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
  stderr: string
}

const BY_SIGNAL: Partial<Record<string, [ErrorCode, string]>> = {
  SIGKILL: ['out_of_memory', 'the runner was killed from outside, most likely because the machine ran out of memory'],
  SIGXCPU: ['time_limit', 'the job used up its CPU time'],
  SIGXFSZ: ['output_limit', 'the job wrote a file larger than it may'],
}
const MEMORY_WORDS =
  /heap out of memory|bad_alloc|Failed to allocate memory|Cannot allocate memory|Array buffer allocation failed/i

export function errorOfExit({ code, signal, stderr }: Exit): FewbitError {
  if (MEMORY_WORDS.test(stderr)) return new FewbitError('out_of_memory', 'the runner could not allocate memory')
  const name = signal ?? signalOfCode(code)
  const [kind, detail] = BY_SIGNAL[name ?? ''] ?? [
    'runner_crashed',
    `the runner ended with ${name ?? `exit code ${code}`}`,
  ]
  return new FewbitError(kind, detail)
}

/** A shell's and bubblewrap's way to pass a signal on: 128 + its number. */
function signalOfCode(code: number | null): string | undefined {
  return Object.entries(constants.signals).find(([, number]) => number + 128 === code)?.[0]
}
