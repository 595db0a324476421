/** What an uploaded model is, found out without running it, in a thread of its own. */
import { runThread } from '../shared/thread.ts'
import type { ModelRecord } from './model.ts'

export type ModelSummary = Pick<
  ModelRecord,
  | 'inputs'
  | 'outputs'
  | 'opset'
  | 'opsets'
  | 'ir_version'
  | 'parameters'
  | 'op_types'
  | 'precision'
  | 'producer'
  | 'warnings'
>

export interface ModelFiles {
  /** path of the .onnx file */
  model: string
  /** paths of its external data by the name that the model uses */
  external?: Record<string, string>
}

const LIMITS = { timeoutMs: 30_000, memoryMb: 1024 }

/** Throws model_* errors: not ONNX, truncated, too complex, external data outside the upload, … */
export function inspectModel(files: ModelFiles): Promise<ModelSummary> {
  return runThread(new URL('./inspect-thread.js', import.meta.url), files, LIMITS)
}
