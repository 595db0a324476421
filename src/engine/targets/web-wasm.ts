/** Browsers without a GPU: ONNX Runtime Web's WebAssembly kernels, which are those of the CPU without its instructions for 8-bit products. */
import { listed } from './list.ts'
import type { ShippedIntegerTarget } from './target.ts'

export const webWasm: ShippedIntegerTarget = {
  id: 'web-wasm',
  object: 'target',
  kind: 'integer',
  title: 'Browsers, WebAssembly',
  description:
    'Products of matrices in 8-bit integers, convolutions in float, which are faster there; run on onnxruntime-web itself.',
  runtime: 'onnxruntime-web, WebAssembly with SIMD',
  methods: ['dynamic', 'static', 'qat'],
  default_method: 'dynamic',
  min_opset: 13,
  activation: { dtype: 'uint8', symmetric: false, scale: 'any', granularity: 'tensor' },
  weight: { dtype: 'int8', symmetric: true, scale: 'any', granularity: 'channel' },
  bias: { dtype: 'int32' },
  format: 'QDQ',
  hardware: 'cpu',
  placement: 'regions',
  shapes: 'dynamic',
  float_operators: 'allowed',
  accumulator: 'int32',
  browsers: ['wasm', 'webgpu'],
  operators: {
    ...listed('Gemm MatMul', { output: 'optional' }),
    ...listed('Add Mul Relu Clip Flatten Transpose Identity Reshape Squeeze Unsqueeze Slice Gather Split Concat'),
  },
  run_time_operators: ['LSTM', 'GRU'],
  sources: [
    'ONNX Runtime 1.30: core/optimizer/qdq_transformer/selectors_actions',
    'measured on onnxruntime-web 1.30, one thread: convolutions in integers at 0.90 of the speed of float, products of matrices at 2.4 (static) and 12 times (dynamic)',
  ],
}
