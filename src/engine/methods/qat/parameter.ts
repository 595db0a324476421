/** What training changes. */
import type { Value } from '../../ir/graph.ts'

/** exponent: base-2 logarithm of a power-of-two scale; range: smallest and largest value, followed instead of trained */
export type ParameterKind = 'weight' | 'bias' | 'scale' | 'exponent' | 'range'

export interface Parameter {
  /** the same for every build of the same variant */
  key: string
  kind: ParameterKind
  shape: readonly number[]
  initial: Float32Array
  /** what one unit of a relative learning rate moves: one number, or one per index of `axis` */
  unit: Float32Array
  axis: number | null
  /** what it never falls below */
  least?: number
  /** what the forward pass reads */
  value: Value
}

/** Trained numbers by key. */
export type Trained = ReadonlyMap<string, Float32Array>

/** Root mean square; 0 for none. */
export function rootMeanSquare(values: Float32Array): number {
  let sum = 0
  for (const x of values) sum += x * x
  return values.length === 0 ? 0 : Math.sqrt(sum / values.length)
}
