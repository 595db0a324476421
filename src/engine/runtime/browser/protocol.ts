/** What goes to the process that runs models as browsers do, and what comes back. */
import type { BrowserRuntime } from '../../../contract/target-profile.ts'
import type { ExecutedKernel, RunTensor } from '../runtime.ts'

export interface BrowserTask {
  runtime: BrowserRuntime
  /** absolute paths */
  float: string
  quantized: string
  /** of each run, as the float model takes them */
  feeds: readonly Record<string, RunTensor>[]
  /** whether runs are timed: a software renderer's say nothing */
  timed: boolean
}

/** The outputs of one run of both models. */
export interface Pair {
  float: Record<string, RunTensor>
  quantized: Record<string, RunTensor>
}

export interface Times {
  float: number[]
  quantized: number[]
}

export type BrowserMessage =
  | { type: 'version'; version: string }
  | ({ type: 'outputs' } & Pair)
  /** of one run of the artifact; only from WebGPU, since all kernels of WASM are the CPU's */
  | { type: 'kernels'; kernels: ExecutedKernel[] }
  | ({ type: 'times' } & Times)
  | { type: 'done' }
  | { type: 'failed'; model: 'float' | 'quantized'; verb: 'load' | 'run'; message: string }
