/** The elements of a result as numbers. */
import { fromFloat16 } from '../ir/float16.ts'
import type { RunTensor } from '../runtime/runtime.ts'

/** NaN for strings that are none. */
export function numbers(tensor: RunTensor): Float32Array | Float64Array {
  if (tensor.data instanceof Uint16Array && tensor.dtype === 'float16') return fromFloat16(tensor.data)
  if (tensor.data instanceof Float32Array || tensor.data instanceof Float64Array) return tensor.data
  return Float64Array.from(tensor.data as ArrayLike<number | bigint>, Number)
}
