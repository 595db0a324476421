/** Qualcomm Hexagon tensor processors under ONNX Runtime's QNN execution provider. */
import { listed } from './list.ts'
import type { ShippedIntegerTarget } from './target.ts'

const perTensor = { output: 'required', weight_granularity: 'tensor' } as const

export const npuQnnHtp: ShippedIntegerTarget = {
  id: 'npu-qnn-htp',
  object: 'target',
  kind: 'integer',
  title: 'Qualcomm HTP',
  description:
    'uint8 activations (uint16 with activation_bits 16), int8 weights, per channel for convolutions; every node between Q and DQ, fixed shapes.',
  runtime: 'onnxruntime QNNExecutionProvider, HTP backend',
  methods: ['static', 'qat'],
  default_method: 'static',
  min_opset: 13,
  activation: { dtype: 'uint8', symmetric: false, scale: 'any', granularity: 'tensor', minimum_range: 1e-4 },
  wide_activation: { dtype: 'uint16', symmetric: false, scale: 'any', granularity: 'tensor', minimum_range: 1e-4 },
  weight: { dtype: 'int8', symmetric: true, scale: 'any', granularity: 'channel' },
  bias: { dtype: 'int32' },
  format: 'QDQ',
  hardware: 'other',
  placement: 'all',
  shapes: 'static',
  float_operators: 'allowed',
  accumulator: 'int32',
  operators: {
    ...listed('Conv ConvTranspose'),
    ...listed('Gemm MatMul LayerNormalization InstanceNormalization', perTensor),
    ...listed(
      'Abs Ceil Cos Elu Exp Floor Gelu HardSigmoid HardSwish LeakyRelu Log LogSoftmax Neg Reciprocal Relu Round',
    ),
    ...listed('Sign Sin Softmax Sqrt Clip'),
    LpNormalization: { output: 'required', attributes: { p: [2] } },
    Sigmoid: { output: 'required', fixed_wide_output: { scale: 1 / 65536, zero_point: 0 } },
    Tanh: { output: 'required', fixed_wide_output: { scale: 1 / 32768, zero_point: 32768 } },
    ...listed('Add Sub Mul Div Pow PRelu Max Min Equal Greater GreaterOrEqual Less LessOrEqual Where CumSum'),
    ...listed('AveragePool GlobalAveragePool MaxPool GlobalMaxPool ArgMax ArgMin'),
    ...listed('ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum'),
    ...listed('Concat Split Slice Pad Reshape Flatten Transpose Squeeze Unsqueeze Identity Expand Tile'),
    ...listed('Gather GatherElements GatherND TopK Resize Upsample DepthToSpace SpaceToDepth'),
  },
  sources: [
    'onnxruntime-qnn: operator builders, node units',
    'onnxruntime.quantization.execution_providers.qnn 1.30: get_qnn_qdq_config',
    'Qualcomm AI Engine Direct: HTP backend operator definition supplement',
  ],
}
