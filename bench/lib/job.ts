/** The one way in which benches run a job: through the engine, in a directory of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Report } from '../../src/contract/report.ts'
import { type RunnerMessage, RunnerSpec } from '../../src/contract/runner-protocol.ts'
import { quantizeSpec } from '../../src/engine/spec.ts'

export interface JobInput {
  /** path of the model; external data lies beside it */
  model: string
  recipe: object
  /** paths of .npz files by use */
  data: Partial<Record<'calibration' | 'training' | 'evaluation', string>>
  /** how stored integers become floats */
  spec?: object
  threads?: number
  memoryBytes?: number
  /** `directory` is where the job works */
  onMessage?: (message: RunnerMessage, directory: string) => void
}

export interface JobOutcome {
  report: Report
  /** path of the quantized model */
  artifact: string
  /** paths of all that was written */
  files: string[]
}

/** Gives the outcome to `use`, and removes the directory after it. Throws what the engine throws. */
export async function withJob<T>(input: JobInput, use: (outcome: JobOutcome) => T | Promise<T>): Promise<T> {
  const { model, recipe, data, spec = {}, threads = 2, memoryBytes, onMessage } = input
  const directory = mkdtempSync(join(tmpdir(), 'fewbit-bench-'))
  try {
    const named = Object.fromEntries(Object.entries(data).map(([part, path]) => [part, { path, spec }]))
    const job = RunnerSpec.parse({
      recipe,
      model,
      ...named,
      output: 'out',
      threads,
      ...(memoryBytes !== undefined && { memory_bytes: memoryBytes }),
    })
    return await use(await quantizeSpec(job, { emit: (message) => onMessage?.(message, directory), directory }))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

export const runJob = (input: JobInput): Promise<Report> => withJob(input, ({ report }) => report)
