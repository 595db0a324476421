/** One job through the engine, as the runner would do it: in a directory of its own, by relative paths. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Report } from '../src/contract/report.ts'
import { type RunnerMessage, RunnerSpec } from '../src/contract/runner-protocol.ts'
import { quantizeSpec } from '../src/engine/spec.ts'

export interface JobInput {
  model: string
  recipe: object
  /** paths of .npz files by use */
  data: Partial<Record<'calibration' | 'training' | 'evaluation', string>>
  /** how stored integers become floats */
  spec?: object
  threads?: number
  onMessage?: (message: RunnerMessage) => void
}

export async function runJob({ model, recipe, data, spec = {}, threads = 2, onMessage }: JobInput): Promise<Report> {
  const home = process.cwd()
  const directory = mkdtempSync(join(tmpdir(), 'fewbit-bench-'))
  mkdirSync(join(directory, 'out'))
  copyFileSync(model, join(directory, 'model.onnx'))
  for (const [use, path] of Object.entries(data)) copyFileSync(path, join(directory, `${use}.npz`))
  process.chdir(directory)
  try {
    const named = Object.fromEntries(Object.keys(data).map((use) => [use, { path: `${use}.npz`, spec }]))
    const job = RunnerSpec.parse({ recipe, model: 'model.onnx', ...named, output: 'out', threads })
    await quantizeSpec(job, { emit: (message) => onMessage?.(message), directory: '.' })
    return Report.parse(JSON.parse(readFileSync(join('out', 'report.json'), 'utf8')))
  } finally {
    process.chdir(home)
    rmSync(directory, { recursive: true })
  }
}
