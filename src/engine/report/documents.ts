/** The files of a finished quantization. */
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type Metrics, type PlanDocument, Report } from '../../contract/report.ts'
import { VERSION } from '../../shared/version.ts'
import { tfliteOptions } from '../formats/tflite-options.ts'
import { check } from '../ir/check.ts'
import type { Model } from '../ir/graph.ts'
import type { MethodOutput } from '../methods/method.ts'
import { dataFileOf } from '../onnx/index.ts'
import type { Prepared } from '../prepare/index.ts'
import { MODEL_FILE, type Run, TFLITE_FILE } from '../run.ts'
import { renderReport } from './page/index.ts'

export interface OutputFile {
  name: string
  content_type: string
}

const FILES: readonly OutputFile[] = [
  { name: TFLITE_FILE, content_type: 'application/octet-stream' },
  { name: MODEL_FILE, content_type: 'application/octet-stream' },
  { name: dataFileOf(MODEL_FILE), content_type: 'application/octet-stream' },
  { name: 'signature.json', content_type: 'application/json' },
  { name: 'report.json', content_type: 'application/json' },
  { name: 'report.html', content_type: 'text/html; charset=utf-8' },
  { name: 'plan.json', content_type: 'application/json' },
]

/** What a finished quantization wrote there, the model first. */
export const filesIn = (directory: string) => FILES.filter(({ name }) => existsSync(join(directory, name)))

/** What lies at a path that a quantization wrote. */
export const describeFile = (path: string): OutputFile =>
  FILES.find(({ name }) => name === basename(path)) ?? {
    name: basename(path),
    content_type: 'application/octet-stream',
  }

/** Writes the model: into the results, or where the run works when the artifact will be another file. */
export function writeArtifact({ spec, workspace }: Run, model: Model): { path: string; model: Model; bytes: number } {
  check(model)
  model.producer = `fewbit ${VERSION}`
  const isResult = spec.recipe.format === 'onnx'
  const path = workspace.pack(isResult ? join(spec.output, MODEL_FILE) : 'simulated.onnx', model)
  const bytes = [path, dataFileOf(path)].map((file) => statSync(file, { throwIfNoEntry: false })?.size ?? 0)
  return { path, model, bytes: bytes.reduce((a, b) => a + b) }
}

/** Writes report and plan, for programs and for people. */
export function writeDocuments(run: Run, prepared: Prepared, output: MethodOutput, metrics: Metrics): Report {
  const { spec, progress, runtime } = run
  const report: Report = Report.parse({
    fewbit: VERSION,
    onnxruntime: runtime.version,
    target: run.target.id,
    method: spec.recipe.method.type,
    options: {
      ...spec.recipe,
      ...(spec.recipe.format === 'tflite' && { tflite: tfliteOptions(run) }),
      method: output.options,
    },
    opset: { float: prepared.floatOpset, quantized: output.model.opsets.get('') ?? 0 },
    calibration: output.calibration,
    // JSON has no infinity: a variant whose outputs could not be compared has no score
    search: output.search?.filter(({ sqnr_db }) => Number.isFinite(sqnr_db)) ?? [],
    training: output.training ?? null,
    sensitivity: output.sensitivity ?? [],
    metrics,
    warnings: run.warnings,
    stages: progress.stages(),
  })
  writeReport(spec.output, report, output.plan)
  return report
}

/** For programs and for people; what is there is replaced. */
export function writeReport(directory: string, report: Report, plan: PlanDocument): void {
  const write = (name: string, text: string) => writeFileSync(join(directory, name), text)
  write('report.json', JSON.stringify(report, null, 1))
  write('report.html', renderReport(report, plan))
  write('plan.json', JSON.stringify(plan, null, 1))
}
