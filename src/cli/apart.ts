/**
 * One quantization in a process of its own, as the service runs it: ONNX Runtime's calls hold the event loop of the process that makes
 * them and end only with it, and a bar shall move and Ctrl-C work meanwhile.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Ending, type Supervision, supervise } from '../../workers/process/supervise.ts'
import { Report } from '../contract/report.ts'
import { type RunnerMessage, STOP_FILE } from '../contract/runner-protocol.ts'
import { intoDirectory, withScratch } from '../engine/files.ts'
import type { QuantizeOptions } from '../engine/options.ts'
import { specFor } from '../engine/spec-for.ts'
import { FewbitError } from '../shared/errors.ts'
import { Interrupted } from './failure.ts'
import { watchInterrupts } from './interrupts.ts'

export interface Apart {
  model: string
  /** what becomes of it, `output` and `overwrite` included */
  options: QuantizeOptions & { output: string }
  onMessage: (message: RunnerMessage) => void
  /** The user asked to end with the best so far. */
  onStopping: () => void
}

export interface Made {
  files: string[]
  report: Report
}

const RUNNER = fileURLToPath(new URL('../../workers/runner.js', import.meta.url))
/** what a timer can wait at most */
const LONGEST_SECONDS = 2_000_000
/** for the best so far to be verified and written, once the time is up */
const GRACE_MS = 60_000

/** Throws FewbitError, and Interrupted when the user does not want to wait for the best so far. Nothing half-written is left. */
export function quantizeApart({ model, options, onMessage, onStopping }: Apart): Promise<Made> {
  return withScratch(undefined, async (scratch) => {
    const stop = () => writeFileSync(join(scratch, STOP_FILE), '')
    const interrupts = watchInterrupts(() => {
      stop()
      onStopping()
    })
    try {
      return await intoDirectory(options.output, options.overwrite ?? false, async (staging) => {
        const { output: _, ...rest } = options
        const spec = await specFor(model, rest, scratch, staging)
        const limits = limitsOf(rest, spec.threads)
        const { signal } = interrupts
        requireFinished(await supervise({ ...surroundings(stop), directory: scratch, spec, limits, signal, onMessage }))
        return { report: Report.parse(JSON.parse(readFileSync(join(staging, 'report.json'), 'utf8'))) }
      })
    } finally {
      interrupts.close()
    }
  })
}

const surroundings = (stop: () => void): Pick<Supervision, 'confined' | 'env' | 'graceFor' | 'onStderr'> => ({
  confined: {
    command: [process.execPath, RUNNER],
    filter: null,
    marks: { limit: null, user: null },
    end: async () => {},
  },
  env: { ...(process.env as Record<string, string>), ORT_DISABLE_TELEMETRY: '1' },
  graceFor: (cause) => {
    if (!(cause instanceof FewbitError && cause.code === 'time_limit')) return 0
    stop()
    return GRACE_MS
  },
  onStderr: () => {},
})

/** The memory of the machine is the limit: a quantization by hand is not killed for what it uses. */
const limitsOf = ({ maxSeconds = LONGEST_SECONDS }: Omit<QuantizeOptions, 'output'>, threads: number) => ({
  seconds: Math.min(maxSeconds, LONGEST_SECONDS),
  memoryBytes: Number.POSITIVE_INFINITY,
  outputBytes: Number.POSITIVE_INFINITY,
  threads,
})

function requireFinished(ending: Ending): void {
  if (ending.kind === 'failed') throw ending.error
  if (ending.kind === 'stopped') throw new Interrupted(Number(ending.reason))
}
