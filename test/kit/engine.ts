/** The engine as the runner calls it: in an empty directory, by paths in it. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DatasetSpec } from '../../src/contract/recipe.ts'
import { type PlanDocument, Report } from '../../src/contract/report.ts'
import { type RunnerMessage, RunnerSpec } from '../../src/contract/runner-protocol.ts'
import type { Model } from '../../src/engine/ir/graph.ts'
import { decodeModel } from '../../src/engine/onnx/index.ts'
import { quantizeSpec } from '../../src/engine/spec.ts'

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
  const directory = mkdtempSync(join(tmpdir(), 'fewbit-engine-'))
  mkdirSync(join(directory, 'out'))
  try {
    writeFileSync(join(directory, 'model.onnx'), model)
    if (data) writeFileSync(join(directory, 'calibration.npz'), data)
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
    const emit = (message: RunnerMessage) => void messages.push(message)
    const { artifact, plan } = await quantizeSpec(spec, { directory, emit })
    const read = (name: string) => JSON.parse(readFileSync(join(directory, 'out', name), 'utf8')) as unknown
    const result = decodeModel(artifact).model
    return {
      report: Report.parse(read('report.json')),
      plan,
      model: result,
      messages,
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}
