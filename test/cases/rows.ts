/** What is right for each case: one row per request, with every outcome that is right. */

import { saturatesProducts } from '../../src/engine/runtime/processor.ts'

/** A job that succeeded, and what its artifact must be. */
export interface Success {
  /** dB of the worst output against the float model, over all samples, with Q/DQ pairs as they are written where the target is no processor */
  least: number
  /** quantized ÷ float, in bytes */
  largest?: number
  /** the code or the words of a warning that must be there */
  warns?: RegExp
  /** operators that the artifact has, or must not have */
  has?: readonly string[]
  lacks?: readonly string[]
  /** Casts at most */
  casts?: number
  /** the one rule of the target that the model cannot keep, and that the job must name */
  breaks?: RegExp
  /** dB that the job must report on its own held-out samples */
  reports?: number
  /** integer kernels that ONNX Runtime must be left with */
  kernels?: number
}

/** An upload, a request or a job that is refused: the code, the detail and the hint together say this. */
export interface Refusal {
  refused: readonly RegExp[]
}

export interface Row {
  case: string
  /** where a case has several models */
  model?: string
  data?: string
  /** a data set of its own for the evaluation */
  evaluation?: string
  target: string
  method: Record<string, unknown>
  /** what the data set is for; nothing where the job gets none */
  use?: 'calibration' | 'training'
  steps?: number
  /** every outcome that is right */
  right: readonly (Success | Refusal)[]
  /** the part of the work that it waits for */
  todo?: string
}

const STATIC = { type: 'static' }
const FLOAT16 = { type: 'float16' }
const QUANTIZED_ALREADY: Refusal = { refused: [/quantized already|already quantized/i, /float model|dequantize/i] }
const onCalibration = { use: 'calibration' } as const
const compat = (type: string, more: object = {}) => ({ type, compat: 'onnxruntime', ...more })

const of = (name: string, rows: readonly Omit<Row, 'case'>[], todo?: string): Row[] =>
  rows.map((row) => ({ case: name, ...(todo && { todo }), ...row }))

export const ROWS: readonly Row[] = [
  ...of('already-qdq', [
    { target: 'cpu-int8', method: STATIC, ...onCalibration, right: [QUANTIZED_ALREADY] },
    {
      target: 'npu-qnn-htp',
      method: STATIC,
      ...onCalibration,
      right: [QUANTIZED_ALREADY, { least: 60, warns: /already/ }],
    },
    { target: 'cpu-int4', method: { type: 'weight_only' }, right: [QUANTIZED_ALREADY] },
  ]),
  ...of('batched-3d-weight-only', [
    {
      target: 'cpu-int4',
      method: { type: 'weight_only' },
      right: [{ least: 15, largest: 0.5 }, { refused: [/rank 3|3 dimensions|three dimensions/] }],
    },
  ]),
  ...of('batchnorm-standalone-npu', [
    { target: 'npu-ethos-u', method: STATIC, ...onCalibration, right: [{ least: 32, lacks: ['BatchNormalization'] }] },
    { target: 'edge-npu', method: STATIC, ...onCalibration, right: [{ least: 32, lacks: ['BatchNormalization'] }] },
  ]),
  ...of('bf16-input', [
    { target: 'cpu-int4', method: { type: 'weight_only', format: 'qdq' }, right: [{ least: 12, largest: 0.6 }] },
  ]),
  ...of('dim-minus-one-npu', [{ target: 'npu-qnn-htp', method: STATIC, ...onCalibration, right: [{ least: 38 }] }]),
  ...of('dim-zero-hangs', [
    { target: 'gpu-float16', method: FLOAT16, ...onCalibration, right: [{ least: 55 }] },
    { target: 'cpu-int8', method: STATIC, ...onCalibration, right: [{ least: 35 }] },
    { target: 'cpu-int4', method: { type: 'weight_only' }, ...onCalibration, right: [{ least: 15 }] },
  ]),
  ...of('empty-slice-calibration', [
    // What the same request gives on cpu-int8
    { target: 'npu-ethos-u', method: STATIC, ...onCalibration, right: [{ least: 34.5 }] },
    { target: 'npu-qnn-htp', method: STATIC, ...onCalibration, right: [{ least: 34.5 }] },
  ]),
  ...of('enable-subgraph-compat', [
    { target: 'cpu-int8', method: compat('dynamic'), right: [{ least: 35, has: ['MatMulInteger'] }] },
    {
      target: 'cpu-int8',
      method: compat('dynamic', { quantize_dynamic: { extra_options: { EnableSubgraph: true } } }),
      right: [{ least: 35, has: ['MatMulInteger'], lacks: ['MatMul'] }],
      // ONNX Runtime's exact sums do not reach into branches, so that only a processor that sums exactly can tell; the peer's file loses as much there
      ...(saturatesProducts() && { todo: 'sums saturate on this processor' }),
    },
  ]),
  ...of('float16-subnormal-weights', [
    {
      target: 'gpu-float16',
      method: compat('float16'),
      right: [{ least: 60 }, { least: 15, warns: /small|below|underflow|subnormal/ }],
    },
    { target: 'gpu-float16', method: FLOAT16, right: [{ least: 60 }] },
  ]),
  ...of('fp16-input-to-float16', [
    {
      target: 'gpu-float16',
      method: FLOAT16,
      right: [{ least: 60 }, { refused: [/float16 already|already float16/] }],
    },
    {
      target: 'cpu-int8',
      method: { type: 'qat' },
      use: 'training',
      steps: 5,
      right: [{ least: 25 }, { refused: [/float16/, /float32/] }],
    },
  ]),
  ...of('free-batch-reshape-1', [
    { target: 'gpu-float16', method: FLOAT16, ...onCalibration, right: [{ least: 55 }] },
    { target: 'cpu-int8', method: { type: 'qat' }, use: 'training', steps: 5, right: [{ least: 35 }] },
    { target: 'cpu-int8', method: compat('static'), ...onCalibration, right: [{ least: 35 }] },
    { target: 'cpu-int8', method: STATIC, ...onCalibration, right: [{ least: 35 }] },
    { target: 'cpu-int4', method: { type: 'weight_only' }, ...onCalibration, right: [{ least: 15 }] },
  ]),
  // The norm between two float nodes reaches 33.3 dB: what is left is the rounding of the layers around it.
  ...of('groupnorm-inlined', [
    {
      target: 'edge-npu',
      method: STATIC,
      ...onCalibration,
      // 0.4 dB less than with the norm in float, which this target does not have
      right: [{ least: 33.4, lacks: ['Cast', 'Shape', 'InstanceNormalization'] }],
    },
    { target: 'npu-qnn-htp', method: STATIC, ...onCalibration, right: [{ least: 33.9, lacks: ['Cast', 'Shape'] }] },
  ]),
  ...of('loop-sequence-float16', [
    { target: 'gpu-float16', method: compat('float16'), right: [{ least: 60 }] },
    { target: 'gpu-float16', method: FLOAT16, right: [{ least: 60 }] },
  ]),
  ...of(
    'mask-input-finfo-min',
    ['gpu-tensorrt-int8', 'npu-qnn-htp', 'npu-openvino'].map((target) => ({
      target,
      method: STATIC,
      ...onCalibration,
      right: [{ least: 35 }],
    })),
    'B.4',
  ),
  ...of('nan-weight-dynamic', [
    { target: 'cpu-int8', method: { type: 'dynamic' }, right: [{ refused: [/NaN/] }] },
    { target: 'cpu-int4', method: { type: 'weight_only', format: 'qdq' }, right: [{ refused: [/NaN/] }] },
  ]),
  ...of('prequantized-weights-dq', [
    { target: 'cpu-int8', method: { type: 'dynamic' }, right: [{ least: 36, has: ['MatMulInteger'] }] },
    { target: 'cpu-int8', method: STATIC, ...onCalibration, right: [{ least: 36 }] },
    { target: 'npu-qnn-htp', method: STATIC, ...onCalibration, right: [{ least: 36 }] },
    { target: 'cpu-int4', method: { type: 'weight_only' }, right: [{ least: 15 }, QUANTIZED_ALREADY] },
  ]),
  // The packed model in half precision, whose input and output stay as they are: one Cast, at the end. Its products round activations to integers, and so do those of the reference.
  ...of('q4f16-not-reachable', [{ target: 'gpu-float16', method: FLOAT16, right: [{ least: 30, casts: 1 }] }]),
  ...of('qat-minimum-range', [
    { target: 'npu-qnn-htp', method: { type: 'qat' }, use: 'training', steps: 20, right: [{ least: 31 }] },
  ]),
  ...of('qdq-weight-shared-by-branches', [
    { target: 'cpu-int4', method: { type: 'weight_only', format: 'qdq' }, right: [{ least: 15, largest: 0.4 }] },
  ]),
  ...of('qoperator-to-float16', [
    {
      target: 'gpu-float16',
      method: FLOAT16,
      right: [{ least: 30 }, QUANTIZED_ALREADY],
    },
  ]),
  ...of('resize-computed-scales', [
    { target: 'npu-ethos-u', method: STATIC, ...onCalibration, right: [{ least: 30 }] },
    { target: 'npu-qnn-htp', method: STATIC, ...onCalibration, right: [{ least: 30 }] },
  ]),
  ...of('sklearn-zipmap', [
    { target: 'cpu-int8', method: { type: 'dynamic' }, right: [{ refused: [/ZipMap/] }] },
    { target: 'gpu-float16', method: FLOAT16, right: [{ refused: [/ZipMap/] }] },
    { target: 'cpu-int8', method: STATIC, ...onCalibration, right: [{ refused: [/ZipMap/] }] },
  ]),
  ...of('softmax-over-one', [
    {
      target: 'npu-qnn-htp',
      method: STATIC,
      data: 'calibration.npz',
      evaluation: 'evaluation.npz',
      ...onCalibration,
      right: [{ least: 29.5, reports: 29.5 }],
    },
    {
      target: 'npu-qnn-htp',
      method: STATIC,
      data: 'calibration.npz',
      ...onCalibration,
      right: [{ least: 29.5, reports: 28 }],
    },
  ]),
  ...of('sorted-data-set', [
    { target: 'cpu-int8', method: STATIC, ...onCalibration, right: [{ least: 44 }] },
    { target: 'npu-qnn-htp', method: STATIC, ...onCalibration, right: [{ least: 44 }] },
  ]),
  ...of('string-input', [
    { target: 'cpu-int8', method: STATIC, ...onCalibration, right: [{ refused: [/string/, /export|input/] }] },
  ]),
  ...of('tied-embedding-gemm', [
    { target: 'cpu-int4', method: { type: 'weight_only' }, right: [{ least: 15, largest: 0.25 }] },
  ]),
  ...of('parity-and-training', [
    ...[
      ['lstm_layout0.onnx', 'lstm.npz'],
      ['torch_lstm.onnx', 'tl.npz'],
      ['torch_lstm_legacy.onnx', 'tl.npz'],
    ].map(([model, data]) => ({
      model: model!,
      data: data!,
      target: 'cpu-int8',
      method: compat('dynamic'),
      right: [{ least: 25, has: ['DynamicQuantizeLSTM'] }],
    })),
    {
      model: 'where_qop.onnx',
      data: 'where.npz',
      target: 'cpu-int8',
      method: compat('static', {
        quantize_static: { quant_format: 'QOperator', extra_options: { ForceQuantizeNoInputCheck: true } },
      }),
      ...onCalibration,
      right: [{ least: 31, has: ['QLinearWhere'] }],
    },
  ]),
  ...of('parity-and-training', [
    {
      model: 'qat_convtranspose_op1.onnx',
      data: 'qat_x.npz',
      target: 'cpu-int8',
      method: { type: 'qat' },
      use: 'training',
      steps: 3,
      right: [{ least: 25 }],
    },
    {
      model: 'qat_maxpool_ceil.onnx',
      data: 'qat_x.npz',
      target: 'cpu-int8',
      method: { type: 'qat' },
      use: 'training',
      steps: 3,
      right: [{ least: 25 }, { refused: [/ceil_mode/] }],
    },
  ]),
]
