/** How a command says no: exit codes, and errors in lines that say what to do. */
import type { ErrorCode, FewbitError } from '../shared/errors.ts'
import { styled } from './style.ts'

/** `missed`: the work is done and written, and a goal was not met. */
export const EXIT = { done: 0, failed: 1, usage: 2, missed: 3 }

/** What the command line says wrong, rather than what the model or the data are. */
const USAGE: ReadonlySet<ErrorCode> = new Set([
  'invalid_request',
  'not_found',
  'output_exists',
  'target_method_mismatch',
  'dataset_required',
])

/** in the words of the command line, where the library speaks of its own options */
const HINTS: Partial<Record<ErrorCode, string>> = {
  output_exists: '--force replaces the files of an earlier run, -o names another directory',
  dataset_required: 'name the data: --calibration file.npz, for the method qat --training file.npz',
}

/** The user ended the command before there was anything to keep. */
export class Interrupted extends Error {
  readonly exitCode: number
  constructor(exitCode: number) {
    super('interrupted')
    this.name = 'Interrupted'
    this.exitCode = exitCode
  }
}

export const exitCodeOf = ({ code }: FewbitError): number => (USAGE.has(code) ? EXIT.usage : EXIT.failed)

/** Writes an error: lines for people to standard error, one object for programs to standard output. */
export function explain({ code, detail, extra }: FewbitError, json: boolean): void {
  const { stage, param } = extra
  const hint = HINTS[code] ?? extra.hint
  if (json) console.log(JSON.stringify({ error: { code, detail, stage, param, hint } }))
  else {
    console.error(`${styled(process.stderr, 'red', 'error:')} ${detail}`)
    if (hint) console.error(`${styled(process.stderr, 'dim', 'hint: ')} ${hint}`)
  }
}
