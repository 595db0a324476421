/** How an artifact is run where its outputs are judged. */
import type { LoadOptions } from '../runtime/runtime.ts'
import type { Target } from '../targets/target.ts'

/**
 * What a processor computes is what ONNX Runtime's integer kernels compute on it. Hardware that is not here computes what the Q/DQ pairs say, so that the
 * optimizations that rewrite them are off: some of their kernels do not follow the pairs, Softmax over one element for example.
 */
export const meaningOn = (target: Target): LoadOptions =>
  target.kind === 'integer' && target.hardware !== 'cpu'
    ? { optimization: 'all', floatRounding: true }
    : { optimization: 'all' }
