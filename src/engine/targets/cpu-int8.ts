/** x86-64 and ARM64 processors under ONNX Runtime's CPU execution provider, 8-bit integers. */
import type { IntegerTarget } from './target.ts'

const required = { output: 'required' } as const
const optional = { output: 'optional' } as const

export const cpuInt8: IntegerTarget = {
  id: 'cpu-int8',
  object: 'target',
  kind: 'integer',
  title: 'CPU, 8-bit integers',
  description:
    'uint8 activations, int8 weights per output channel, int32 bias; QDQ form that ONNX Runtime turns into integer kernels.',
  runtime: 'onnxruntime CPUExecutionProvider',
  methods: ['static', 'dynamic'],
  default_method: 'static',
  min_opset: 13,
  activation: { dtype: 'uint8', symmetric: false, granularity: 'tensor' },
  weight: { dtype: 'int8', symmetric: true, granularity: 'channel' },
  bias: { dtype: 'int32' },
  format: 'QDQ',
  placement: 'regions',
  operators: {
    Conv: required,
    Gemm: optional,
    MatMul: optional,
    Add: required,
    Mul: required,
    Relu: required,
    Clip: required,
    LeakyRelu: required,
    Sigmoid: required,
    Softmax: required,
    AveragePool: required,
    GlobalAveragePool: required,
    Concat: required,
    MaxPool: required,
    Flatten: required,
    Transpose: required,
    Identity: required,
    Reshape: required,
    Squeeze: required,
    Unsqueeze: required,
    Slice: required,
    Gather: required,
    Split: required,
    Resize: required,
    DepthToSpace: required,
    Expand: required,
    Tile: required,
    ReduceMax: required,
    ReduceMin: required,
    Where: required,
  },
  sources: [
    'ONNX Runtime 1.30: core/optimizer/qdq_transformer/selectors_actions',
    'fusion probe of onnxruntime-node 1.30 on x86-64 with VNNI',
  ],
}
