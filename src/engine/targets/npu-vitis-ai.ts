/** AMD Ryzen AI and Versal processors under the Vitis AI execution provider, XINT8. */
import { listed } from './list.ts'
import type { ShippedIntegerTarget } from './target.ts'

export const npuVitisAi: ShippedIntegerTarget = {
  id: 'npu-vitis-ai',
  object: 'target',
  kind: 'integer',
  title: 'AMD Ryzen AI, XINT8',
  description:
    'Symmetric int8 whose scales are powers of two, one per tensor, biases too; shifts between layers stay within what the hardware can do.',
  runtime: 'onnxruntime VitisAIExecutionProvider',
  methods: ['static', 'qat'],
  default_method: 'static',
  min_opset: 13,
  activation: { dtype: 'int8', symmetric: true, scale: 'power_of_two', granularity: 'tensor' },
  weight: { dtype: 'int8', symmetric: true, scale: 'power_of_two', granularity: 'tensor' },
  bias: { dtype: 'int8' },
  format: 'QDQ',
  hardware: 'other',
  placement: 'all',
  shapes: 'static',
  float_operators: 'allowed',
  accumulator: 'int32',
  shifts: { cut: [0, 16], bias: [-16, 15] },
  operators: {
    ...listed('Conv ConvTranspose Gemm MatMul'),
    ...listed('Add Sub Mul Relu Clip LeakyRelu PRelu HardSigmoid HardSwish Sigmoid Softmax Tanh'),
    ...listed('AveragePool GlobalAveragePool ReduceMean'),
    ...listed('MaxPool GlobalMaxPool ReduceMax Max Min Concat Pad Slice', { output: 'required', same_scale: true }),
    ...listed('Split Reshape Flatten Transpose Squeeze Unsqueeze Identity Expand Tile Gather Resize DepthToSpace'),
    ...listed('SpaceToDepth'),
  },
  sources: [
    'AMD Ryzen AI documentation: model quantization, XINT8',
    'AMD Quark: vai_q position constraints of the NPU_CNN platform',
  ],
}
