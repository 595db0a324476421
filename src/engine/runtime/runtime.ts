/** Runtime: the one door to execution, as the rest of the engine sees it. */
import type { DType } from '../ir/dtype.ts'

export type ElementArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array

/** A dense tensor that goes in or comes out of a run; strings come out as string arrays. */
export interface RunTensor {
  dtype: DType
  dims: readonly number[]
  data: ElementArray | string[]
}

export interface ValueInfo {
  name: string
  /** undefined for sequences, maps and optionals */
  dtype: DType | undefined
  shape: (number | string | null)[]
  /** no shape is known; an empty `shape` is a scalar otherwise */
  rankUnknown?: true
}

export type Optimization = 'disabled' | 'basic' | 'extended' | 'all'

export interface LoadOptions {
  optimization: Optimization
  /** writes the optimized model there */
  saveTo?: string
  /** rounding stays in float: QuantizeLinear and DequantizeLinear are not fused into integer kernels */
  floatRounding?: true
  /** sums of 8-bit products are exact where this processor would saturate them, as far as ONNX Runtime can avoid it; slower there */
  exactProducts?: true
  /** `kernels` of the session tells what ran; with `shapes` weights are not packed, so that theirs are known too */
  profile?: 'times' | 'shapes'
}

/** One run of a kernel. */
export interface ExecutedKernel {
  /** the node's name in the optimized model */
  node: string
  opType: string
  milliseconds: number
  /** of ONNX Runtime: CPUExecutionProvider, WebGpuExecutionProvider */
  provider: string
  /** element types of what goes in and comes out */
  dtypes: readonly string[]
  /** shapes of the tensors that are there; without `shapes` packed weights are missing */
  inputs: readonly (readonly number[])[]
  outputs: readonly (readonly number[])[]
}

export interface Session {
  inputs: readonly ValueInfo[]
  outputs: readonly ValueInfo[]
  /** Runs once; `fetch` limits the outputs. Throws a FewbitError whose detail holds no path. */
  run(feeds: Readonly<Record<string, RunTensor>>, fetch?: readonly string[]): Promise<Record<string, RunTensor>>
  /** Runs once and writes the outputs into `results`, which must have their sizes; a tensor that is fed or filled again is not wrapped again. */
  runInto(feeds: Readonly<Record<string, RunTensor>>, results: Readonly<Record<string, RunTensor>>): Promise<void>
  release(): Promise<void>
  /** The kernels of all runs so far, in their order; ends the profile. */
  kernels?(): ExecutedKernel[]
  /** files that hold the optimized model, where it was loaded in parts and not as `saveTo` says: there after the first run */
  saved?: readonly string[]
  /** Milliseconds that each of so many runs took without loading; there where a run loads parts. */
  time?(feeds: Readonly<Record<string, RunTensor>>, runs: number, now: () => number): Promise<number[]>
}

export interface Runtime {
  name: string
  version: string
  threads: number
  /** this processor adds two products of 8-bit integers in 16 bits that saturate (x86-64 without VNNI) */
  saturates: boolean
  /** Loads a model by path. Throws model_load_failed or model_operator_unsupported. */
  load(path: string, options: LoadOptions): Promise<Session>
}
