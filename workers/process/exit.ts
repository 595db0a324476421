/** Why a runner that did not say so itself has ended: from exit code, signal and last words to an error. */
import { constants } from 'node:os'
import { type ErrorCode, FewbitError } from '../../src/shared/errors.ts'

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
  stderr: string
  /** the kernel ended some process for want of memory at that time */
  byKernel: boolean
}

const BY_SIGNAL: Partial<Record<string, [ErrorCode, string]>> = {
  SIGXCPU: ['time_limit', 'the job used up its CPU time'],
  SIGXFSZ: ['output_limit', 'the job wrote a file larger than it may'],
}
const MEMORY_WORDS =
  /heap out of memory|bad_alloc|Failed to allocate memory|Cannot allocate memory|Array buffer allocation failed/i

const KILLED: Record<'byKernel' | 'bySomebody', [ErrorCode, string]> = {
  byKernel: ['machine_out_of_memory', 'the kernel killed the runner because the machine ran out of memory'],
  bySomebody: ['runner_killed', 'somebody killed the runner: neither its limits nor the kernel'],
}

/** A runner that the supervisor kills has ended for another reason, which the supervisor knows. */
export function errorOfExit({ code, signal, stderr, byKernel }: Exit): FewbitError {
  if (MEMORY_WORDS.test(stderr)) return new FewbitError('out_of_memory', 'the runner could not allocate memory')
  const name = signal ?? signalOfCode(code)
  if (name === 'SIGKILL') return new FewbitError(...KILLED[byKernel ? 'byKernel' : 'bySomebody'])
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
