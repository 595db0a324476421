/** Stacks of matrices, weights of rank 3 and more: no operator reads them in blocks, so they lie behind a DequantizeLinear in every format. */
import type { Value } from '../../ir/graph.ts'
import { elementCount, view } from '../../ir/tensor.ts'
import { type Context, type Decided, dequantized, type Site } from './weight.ts'

export const isStack = (weight: Value | null | undefined): boolean => (weight?.tensor?.shape.length ?? 0) > 2

/** Why a stack keeps its numbers, or null. */
export const refusesStack = ({ bits }: Decided): string | null =>
  bits === 2
    ? 'its weight has rank 3 or more, and no operator expands 2-bit weights of that rank; 4 bits would do'
    : null

/** [..., K, N] in blocks along K. */
export function dequantizeStack(context: Context, site: Site, weight: Value, options: Decided): void {
  const { shape } = weight.tensor!
  const stack = shape.slice(0, -2)
  const [K, N] = shape.slice(-2) as [number, number]
  const values = columnsOf(view(weight.tensor!, 'float32'), elementCount(stack), K, N)
  const matrix = { values, K, N: N * elementCount(stack), byColumn: true }
  site.node.setInput(1, dequantized(context, site, weight, matrix, options, { K, N, axis: stack.length, stack }))
}

/** The columns of all matrices, one after the other. */
function columnsOf(values: Float32Array, count: number, K: number, N: number): Float32Array {
  const columns = new Float32Array(values.length)
  for (let m = 0; m < count; m++)
    for (let k = 0; k < K; k++) for (let n = 0; n < N; n++) columns[(m * N + n) * K + k] = values[(m * K + k) * N + n]!
  return columns
}
