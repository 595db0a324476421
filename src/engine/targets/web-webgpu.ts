/** Browsers with a GPU: ONNX Runtime's WebGPU provider, which has kernels for packed weights and none for 8-bit products. */
import type { WeightOnlyTarget } from './target.ts'

export const webWebgpu: WeightOnlyTarget = {
  id: 'web-webgpu',
  object: 'target',
  kind: 'weight-only',
  title: 'Browsers, WebGPU',
  description:
    'Matrices in 4 or 8 bits per block, activations in float; run on the WebGPU provider that browsers use, and on WebAssembly, which takes over where there is no GPU.',
  runtime: 'onnxruntime-web, WebGPU',
  methods: ['weight_only'],
  default_method: 'weight_only',
  min_opset: 13,
  weight: { bits: [4, 8], block_sizes: [16, 32, 64, 128, 256], symmetric: [true, false] },
  format: 'MatMulNBits',
  browsers: ['wasm', 'webgpu'],
  sources: [
    'ONNX Runtime 1.30: contrib_ops/webgpu/quantization/matmul_nbits.cc',
    'profile of onnxruntime 1.30 under WebGPU: QuantizeLinear, DynamicQuantizeLinear and MatMulInteger run on the CPU, MatMulNBits on the GPU',
  ],
}
