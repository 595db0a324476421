/** Neural processors that have integers only, whoever makes them. */
import { listed } from './list.ts'
import type { ShippedIntegerTarget } from './target.ts'

export const edgeNpu: ShippedIntegerTarget = {
  id: 'edge-npu',
  object: 'target',
  kind: 'integer',
  title: 'Edge NPU, integers only',
  description:
    'What every integer-only accelerator accepts: int8 with symmetric weights per channel, int32 bias, fixed shapes, nothing in float.',
  runtime: 'any compiler that reads QDQ models',
  methods: ['static', 'qat'],
  default_method: 'static',
  min_opset: 13,
  activation: { dtype: 'int8', symmetric: false, scale: 'any', granularity: 'tensor' },
  weight: { dtype: 'int8', symmetric: true, scale: 'any', granularity: 'channel' },
  bias: { dtype: 'int32' },
  format: 'QDQ',
  hardware: 'other',
  placement: 'all',
  shapes: 'static',
  float_operators: 'forbidden',
  accumulator: 'int32',
  operators: {
    ...listed('Conv ConvTranspose Gemm MatMul'),
    ...listed('Add Sub Mul Relu Clip LeakyRelu PRelu Sigmoid Tanh HardSigmoid HardSwish Softmax'),
    ...listed('AveragePool GlobalAveragePool MaxPool GlobalMaxPool ReduceMean ReduceMax Max Min'),
    ...listed('Concat Split Slice Pad Reshape Flatten Transpose Squeeze Unsqueeze Identity Expand Tile Gather'),
    ...listed('Exp Log Gelu'),
    Elu: { output: 'required', attributes: { alpha: [1] } },
    LpNormalization: { output: 'required', attributes: { p: [2] } },
    ...listed('Resize DepthToSpace SpaceToDepth ArgMax'),
  },
  sources: ['the intersection of TensorFlow Lite int8, QNN HTP and Ethos-U operator sets'],
}
