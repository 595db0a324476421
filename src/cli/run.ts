/** One command line from its arguments to its exit code. */
import { CommanderError } from 'commander'
import { asFewbitError } from '../engine/errors.ts'
import { EXIT, exitCodeOf, explain, Interrupted } from './failure.ts'
import { createProgram } from './program.ts'

/** Runs `argv`, which begins with the interpreter and the script, and writes to the standard streams. Never throws. */
export async function run(argv: readonly string[]): Promise<number> {
  process.stdout.on('error', leaveQuietly)
  const state = { exitCode: EXIT.done }
  const json = argv.includes('--json')
  try {
    await createProgram(state).parseAsync(argv)
    return state.exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage
    if (error instanceof Interrupted) return error.exitCode
    const failure = asFewbitError(error, 'command')
    explain(failure, json)
    return exitCodeOf(failure)
  }
}

/** Whoever read the output has enough of it: `fewbit targets | head -1`. */
function leaveQuietly(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(EXIT.done)
  throw error
}
