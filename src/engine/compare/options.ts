/** What a caller says of a comparison, and what it gets. */
import type { Comparison } from '../../contract/comparison.ts'
import type { Goals } from '../../contract/goals.ts'
import type { MethodName } from '../../contract/recipe.ts'
import type { QuantizeOptions } from '../options.ts'
import type { Quantized, QuantizedFiles } from '../quantize.ts'

type Shared =
  | 'calibration'
  | 'training'
  | 'evaluation'
  | 'exclude'
  | 'inputShapes'
  | 'inputValues'
  | 'seed'
  | 'output'
  | 'overwrite'
  | 'threads'
  | 'memoryBytes'
  | 'signal'
  | 'stop'
  | 'now'

/** As for `quantize`, with several targets and methods. Without evaluation data, half of the calibration data (at most 2000 samples) judges every method. */
export interface CompareOptions extends Pick<QuantizeOptions, Shared> {
  /** `cpu-int8`, `cpu-int4` and `gpu-float16` by default */
  targets?: readonly QuantizeOptions['target'][]
  /** names, or names with options; everything that makes sense for targets and data by default */
  methods?: readonly (MethodName | Exclude<QuantizeOptions['method'], MethodName | undefined>)[]
  goals?: Goals
  /** seconds that each method may take */
  maxSeconds?: number
  onProgress?: (progress: ComparisonProgress) => void
  /** the table so far, after each row */
  onRow?: (comparison: Comparison) => void
}

export interface ComparisonProgress {
  /** index of the row that is under way */
  row: number
  name: string
  target: string
  /** of all rows; each counts the same */
  fraction: number
  message: string
}

export interface Compared {
  comparison: Comparison
  /** what each row made, at the same index; null for the float model and for what failed */
  results: (Quantized | QuantizedFiles | null)[]
}
