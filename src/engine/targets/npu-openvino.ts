/** Intel neural processors under OpenVINO. */
import { listed } from './list.ts'
import type { ShippedIntegerTarget } from './target.ts'

export const npuOpenvino: ShippedIntegerTarget = {
  id: 'npu-openvino',
  object: 'target',
  kind: 'integer',
  title: 'Intel NPU',
  description: 'uint8 activations and int8 weights per channel, the rest in float16; fixed shapes.',
  runtime: 'OpenVINO NPU plugin, or onnxruntime OpenVINOExecutionProvider',
  methods: ['static', 'qat'],
  default_method: 'static',
  min_opset: 13,
  activation: { dtype: 'uint8', symmetric: false, scale: 'any', granularity: 'tensor' },
  weight: { dtype: 'int8', symmetric: true, scale: 'any', granularity: 'channel' },
  bias: { dtype: 'int32' },
  format: 'QDQ',
  hardware: 'other',
  placement: 'all',
  shapes: 'static',
  float_operators: 'allowed',
  accumulator: 'int32',
  operators: {
    ...listed('Conv ConvTranspose Gemm MatMul'),
    ...listed('Add Sub Mul Relu Clip LeakyRelu PRelu Sigmoid Tanh HardSigmoid HardSwish Gelu'),
    ...listed('AveragePool GlobalAveragePool MaxPool GlobalMaxPool ReduceMean ReduceMax Max Min'),
    ...listed('Concat Split Slice Pad Reshape Flatten Transpose Squeeze Unsqueeze Identity Expand Tile Gather'),
    ...listed('Resize DepthToSpace SpaceToDepth'),
  },
  sources: ['OpenVINO documentation: NPU device, supported data types and features', 'NNCF: target device NPU'],
}
