/** What the stages of one quantization share. */

import type { Warning } from '../contract/report.ts'
import type { RunnerMessage, RunnerSpec } from '../contract/runner-protocol.ts'
import type { ProgressMeter } from './progress.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { Workspace } from './runtime/workspace.ts'
import type { Target } from './targets/target.ts'

export interface Host {
  emit(message: RunnerMessage): void
  /** milliseconds */
  now(): number
  /** the processor, for the report */
  machine: string
  /** whether search and training shall end with the best so far */
  isStopped(): boolean
}

export interface Run {
  /** with absolute paths */
  spec: RunnerSpec
  host: Host
  target: Target
  runtime: Runtime
  workspace: Workspace
  progress: ProgressMeter
  /** all so far, for the report */
  warnings: Warning[]
  /** on the host's clock, in milliseconds */
  searchUntil: number
}

export const MODEL_FILE = 'model.onnx'
export const TFLITE_FILE = 'model.tflite'

/** Tells the caller, and notes for the report. */
export function warn({ warnings, host }: Run, found: Iterable<Warning>): void {
  for (const warning of found) {
    warnings.push(warning)
    host.emit({ type: 'warning', ...warning })
  }
}
