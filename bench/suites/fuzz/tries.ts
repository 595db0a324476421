/** Tries one case on the reader of uploads or on the engine, and says how it ended in the words a client would get. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RunnerSpec } from '../../../src/contract/runner-protocol.ts'
import { inspectNpz } from '../../../src/engine/data/inspect.ts'
import { quantizeSpec } from '../../../src/engine/spec.ts'
import { summarize } from '../../../src/models/summarize.ts'
import { FewbitError, messageOf } from '../../../src/shared/errors.ts'
import { mlp } from '../../../test/kit/model.ts'
import { lastWords } from '../../../workers/process/last-words.ts'
import type { FuzzCase } from './cases.ts'

export interface Outcome {
  /** `done`, or the code of the error */
  code: string
  /** why it is unclear */
  detail: string
  /** whether something of a file that is not the case's came back */
  leaks: boolean
}

export type Layer = 'reader' | 'engine'

/** stands in a file beside the job's directory, which no answer may show */
export const SECRET = 'fewbit-canary-7d1f0c52'
const FOREIGN = [SECRET, 'root:x:0:0']
const SECONDS = 10

export const TRIES: Record<Layer, (one: FuzzCase, index: number, directory: string) => Promise<Outcome>> = {
  async reader({ kind, bytes }, _, directory) {
    const path = join(directory, kind === 'model' ? 'model.onnx' : 'data.npz')
    writeFileSync(path, bytes)
    try {
      const summary = kind === 'model' ? summarize(path, {}) : await inspectNpz(path)
      return { code: 'done', detail: '', leaks: shows(JSON.stringify(summary)) }
    } catch (error) {
      const code = error instanceof FewbitError ? error.code : 'internal'
      return { code, detail: code === 'internal' ? traceOf(error) : '', leaks: shows(messageOf(error)) }
    }
  },
  async engine({ kind, bytes }, index, parent) {
    const directory = mkdtempSync(join(parent, 'job-'))
    mkdirSync(join(directory, 'out'))
    writeFileSync(join(directory, 'model.onnx'), kind === 'model' ? bytes : mlp())
    if (kind === 'data') writeFileSync(join(directory, 'data.npz'), bytes)
    try {
      await quantizeSpec(specOf(kind, index), { directory, emit: () => {} })
      const files = readdirSync(join(directory, 'out')).map((name) =>
        readFileSync(join(directory, 'out', name), 'latin1'),
      )
      return { code: 'done', detail: '', leaks: files.some(shows) }
    } catch (error) {
      const { code, detail } = lastWords(error, 'starting')
      const isUnclear = code === 'internal' || code === 'quantization_failed'
      return { code, detail: isUnclear ? `${detail} | ${traceOf(error)}` : '', leaks: shows(detail) }
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  },
}

function specOf(kind: FuzzCase['kind'], index: number): RunnerSpec {
  const method = { type: kind === 'data' || index % 2 === 0 ? 'static' : 'dynamic' }
  return RunnerSpec.parse({
    recipe: { target: 'cpu-int8', method },
    model: 'model.onnx',
    ...(kind === 'data' && { calibration: { path: 'data.npz', spec: { arrays: {} } } }),
    output: 'out',
    threads: 1,
    max_seconds: SECONDS,
  })
}

/** A directory for the cases, and beside it the file that must stay secret. */
export function openGround(): { directory: string; secret: string } {
  const ground = mkdtempSync(join(tmpdir(), 'fewbit-fuzz-'))
  const secret = join(ground, 'secret')
  writeFileSync(secret, SECRET.repeat(1000))
  const directory = join(ground, 'cases')
  mkdirSync(directory)
  return { directory, secret }
}

const shows = (text: string): boolean => FOREIGN.some((words) => text.includes(words))

const traceOf = (error: unknown): string =>
  error instanceof Error
    ? (error.stack ?? error.message).split('\n').slice(0, 4).join(' ').slice(0, 600)
    : String(error)
