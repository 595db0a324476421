/** Processors that run language models: weights of a few bits, activations in float. */
import type { WeightOnlyTarget } from './target.ts'

export const cpuInt4: WeightOnlyTarget = {
  id: 'cpu-int4',
  object: 'target',
  kind: 'weight-only',
  title: 'CPU, 4-bit weights',
  description:
    'Matrices in 4 or 8 bits per block, activations in float. Saves memory and its bandwidth: fast where few rows are multiplied at a time.',
  runtime: 'onnxruntime CPUExecutionProvider, MatMulNBits',
  methods: ['weight_only'],
  default_method: 'weight_only',
  min_opset: 13,
  weight: { bits: [4, 8], block_sizes: [16, 32, 64, 128, 256], symmetric: [true, false] },
  format: 'MatMulNBits',
  sources: ['ONNX Runtime 1.30: contrib operator com.microsoft.MatMulNBits'],
}
