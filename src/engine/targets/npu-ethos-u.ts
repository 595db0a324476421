/** Arm Ethos-U and other processors that execute the TensorFlow Lite int8 specification. */
import { listed } from './list.ts'
import type { ShippedIntegerTarget } from './target.ts'

const sameScale = { output: 'required', same_scale: true } as const
const perTensor = { output: 'required', weight_granularity: 'tensor' } as const

export const npuEthosU: ShippedIntegerTarget = {
  id: 'npu-ethos-u',
  object: 'target',
  kind: 'integer',
  title: 'Arm Ethos-U, TensorFlow Lite int8',
  description:
    'int8 with the scales that TensorFlow Lite prescribes: equal ones around operators that move numbers, fixed ones behind Sigmoid, Softmax and Tanh; nothing in float.',
  runtime: 'Vela or TOSA compilers, LiteRT, CMSIS-NN',
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
  float_operators: 'forbidden',
  accumulator: 'int32',
  operators: {
    ...listed('Conv ConvTranspose'),
    ...listed('Gemm MatMul', perTensor),
    ...listed('Add Sub Mul Relu Clip LeakyRelu PRelu HardSwish ReduceMean ReduceSum ArgMax'),
    ...listed('Abs Ceil Cos Div Elu Erf Exp Floor Gelu HardSigmoid Log Neg Pow Reciprocal Round Sin Softplus Sqrt'),
    ...listed('AveragePool GlobalAveragePool MaxPool GlobalMaxPool Max Min Concat Pad Slice Split', sameScale),
    ...listed('Reshape Flatten Transpose Squeeze Unsqueeze Identity Expand Tile Gather Resize', sameScale),
    ...listed('DepthToSpace SpaceToDepth', sameScale),
    ...listed('Sigmoid Softmax', { output: 'required', fixed_output: { scale: 1 / 256, zero_point: -128 } }),
    Tanh: { output: 'required', fixed_output: { scale: 1 / 128, zero_point: 0 } },
    LpNormalization: {
      output: 'required',
      attributes: { p: [2] },
      fixed_output: { scale: 1 / 128, zero_point: 0 },
    },
    LogSoftmax: { output: 'required', fixed_output: { scale: 16 / 256, zero_point: 127 } },
  },
  sources: [
    'TensorFlow Lite 8-bit quantization specification',
    'Arm Vela: supported operators of Ethos-U',
    'ExecuTorch, Ethos-U backend: operators computed in int8 on Ethos-U55, functions of one number as tables of 256 entries',
  ],
}
