/** How an artifact is run where its outputs are judged. */
import type { LoadOptions } from '../runtime/runtime.ts'
import type { Target } from '../targets/target.ts'

/**
 * What a processor computes is what ONNX Runtime's integer kernels compute on it; where the target adds up products exactly and this machine does not, as
 * if it did. Hardware that is not here computes what the Q/DQ pairs say, so that the optimizations that rewrite them are off: some of their kernels do not
 * follow the pairs, Softmax over one element for example.
 */
export function meaningOn(target: Target): LoadOptions {
  if (target.kind !== 'integer') return { optimization: 'all', exactProducts: true }
  if (target.hardware !== 'cpu') return { optimization: 'all', floatRounding: true }
  return { optimization: 'all', ...(target.accumulator !== 'int16-pairs' && { exactProducts: true }) }
}
