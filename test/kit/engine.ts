/** The engine as the runner calls it: in an empty directory, by relative paths. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DatasetSpec, type RunnerMessage, RunnerSpec } from '../../src/contract/recipe.ts'
import { type PlanDocument, Report } from '../../src/contract/report.ts'
import { quantize } from '../../src/engine/index.ts'
import type { Model } from '../../src/engine/ir/graph.ts'
import { decodeModel } from '../../src/engine/onnx/index.ts'

export interface EngineResult {
  report: Report
  plan: PlanDocument
  model: Model
  messages: RunnerMessage[]
}

export interface EngineOptions {
  dataSpec?: DatasetSpec
  memoryBytes?: number
  maxSeconds?: number
}

/** Quantizes for cpu-int8, statically unless `recipe` says otherwise; `data` calibrates. Throws what the engine throws. */
export async function runEngine(
  model: Uint8Array,
  data: Buffer | null,
  recipe: Record<string, unknown> = {},
  { dataSpec = { arrays: {} }, memoryBytes, maxSeconds }: EngineOptions = {},
): Promise<EngineResult> {
  const home = process.cwd()
  const directory = mkdtempSync(join(tmpdir(), 'fewbit-engine-'))
  mkdirSync(join(directory, 'out'))
  process.chdir(directory)
  try {
    writeFileSync('model.onnx', model)
    if (data) writeFileSync('calibration.npz', data)
    const messages: RunnerMessage[] = []
    const spec = RunnerSpec.parse({
      recipe: { target: 'cpu-int8', method: { type: 'static' }, ...recipe },
      model: 'model.onnx',
      ...(data && { calibration: { path: 'calibration.npz', spec: dataSpec } }),
      output: 'out',
      threads: 1,
      ...(memoryBytes && { memory_bytes: memoryBytes }),
      ...(maxSeconds && { max_seconds: maxSeconds }),
    })
    await quantize(spec, { emit: (message) => messages.push(message), now: () => performance.now(), machine: 'test' })
    const read = (name: string) => JSON.parse(readFileSync(join('out', name), 'utf8')) as unknown
    const result = decodeModel(join('out', 'model.onnx')).model
    return {
      report: Report.parse(read('report.json')),
      plan: read('plan.json') as PlanDocument,
      model: result,
      messages,
    }
  } finally {
    process.chdir(home)
    rmSync(directory, { recursive: true })
  }
}
