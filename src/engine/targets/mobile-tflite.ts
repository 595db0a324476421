/** Phones and single-board computers that run TensorFlow Lite: int8 by its specification, float where that has no kernel. */
import { listed } from './list.ts'
import type { ShippedIntegerTarget } from './target.ts'

const sameScale = { output: 'required', same_scale: true } as const
const perTensor = { output: 'required', weight_granularity: 'tensor' } as const

export const mobileTflite: ShippedIntegerTarget = {
  id: 'mobile-tflite',
  object: 'target',
  kind: 'integer',
  title: 'Phones, LiteRT (TensorFlow Lite)',
  description:
    'int8 as LiteRT and its XNNPACK compute it on Android, iOS and ARM Linux, with the scales that TensorFlow Lite prescribes; other operators in float.',
  runtime: 'LiteRT, TensorFlow Lite',
  methods: ['static', 'qat'],
  default_method: 'static',
  min_opset: 13,
  activation: { dtype: 'int8', symmetric: false, scale: 'any', granularity: 'tensor' },
  weight: { dtype: 'int8', symmetric: true, scale: 'any', granularity: 'channel' },
  bias: { dtype: 'int32' },
  format: 'QDQ',
  formats: ['onnx', 'tflite'],
  hardware: 'other',
  placement: 'all',
  shapes: 'static',
  float_operators: 'allowed',
  accumulator: 'int32',
  operators: {
    ...listed('Conv'),
    ...listed('Gemm MatMul', perTensor),
    ...listed('Add Sub Mul Relu Clip LeakyRelu PRelu HardSwish ReduceMean'),
    ...listed('AveragePool GlobalAveragePool MaxPool GlobalMaxPool Max Min Concat Pad', sameScale),
    ...listed('Reshape Flatten Transpose Squeeze Unsqueeze Identity', sameScale),
    ...listed('Sigmoid Softmax', { output: 'required', fixed_output: { scale: 1 / 256, zero_point: -128 } }),
    Tanh: { output: 'required', fixed_output: { scale: 1 / 128, zero_point: 0 } },
    LogSoftmax: { output: 'required', fixed_output: { scale: 16 / 256, zero_point: 127 } },
  },
  sources: ['TensorFlow Lite 8-bit quantization specification', 'TensorFlow: lite/tools/versioning/op_version.cc'],
}
