/** Versions of operators as TensorFlow's `op_version.cc` prescribes them: a runtime refuses one that it does not know. */
import type { OperatorCode } from './codes.ts'
import type { OperatorNode, TensorNode } from './network.ts'

type Version = (operator: OperatorNode) => number

const input = ({ inputs }: OperatorNode, index = 0): TensorNode | null => inputs[index] ?? null
const isInt8 = (operator: OperatorNode, index = 0) => input(operator, index)?.type === 'int8'
const isInt16 = (operator: OperatorNode) => input(operator)?.type === 'int16'
const rank = (operator: OperatorNode) => input(operator)?.shape.length ?? 0
const scale = (tensor: TensorNode | null | undefined) => tensor?.quantization?.scales[0] ?? 0

/** 1 for float, and what 8 and 16 bits need. */
const byType =
  (int8: number, int16: number): Version =>
  (operator) =>
    isInt16(operator) ? int16 : isInt8(operator) ? int8 : 1

const optionOf = ({ options }: OperatorNode, name: string): unknown =>
  (options?.value as Record<string, unknown>)?.[name]

const resize: Version = (operator) => {
  if (isInt16(operator)) return 4
  const isNewer =
    optionOf(operator, 'half_pixel_centers') ||
    (operator.code === 'RESIZE_NEAREST_NEIGHBOR' && optionOf(operator, 'align_corners'))
  return isNewer ? 3 : isInt8(operator) ? 2 : 1
}

const fullyConnected: Version = (operator) =>
  isInt16(operator) && input(operator, 1)?.type === 'int16'
    ? 7
    : optionOf(operator, 'keep_num_dims')
      ? 5
      : isInt8(operator)
        ? 4
        : 1

const isGrouped = (operator: OperatorNode) => input(operator)?.shape[3] !== input(operator, 1)?.shape[3]

const multiply: Version = (operator) => {
  if (isInt16(operator)) return 4
  if (input(operator)?.type === 'int64') return 5
  const [a, b, y] = [scale(input(operator)), scale(input(operator, 1)), scale(operator.outputs[0])]
  if (a && b && y && (a * b) / y >= 1) return 3
  return isInt8(operator) ? 2 : 1
}

const VERSIONS: Readonly<Record<OperatorCode, Version>> = {
  ADD: (operator) => (input(operator)?.type === 'int64' ? 4 : byType(2, 3)(operator)),
  AVERAGE_POOL_2D: byType(2, 3),
  CONCATENATION: byType(2, 3),
  CONV_2D: (operator) => (isGrouped(operator) ? 6 : isInt8(operator) ? 3 : 1),
  DEPTHWISE_CONV_2D: (operator) =>
    isInt8(operator)
      ? 3
      : Number(optionOf(operator, 'dilation_w_factor')) > 1 || Number(optionOf(operator, 'dilation_h_factor')) > 1
        ? 2
        : 1,
  DEPTH_TO_SPACE: byType(2, 2),
  DEQUANTIZE: (operator) => (isInt16(operator) || input(operator)?.type === 'float16' ? 3 : isInt8(operator) ? 2 : 1),
  FULLY_CONNECTED: fullyConnected,
  LOGISTIC: byType(2, 3),
  MAX_POOL_2D: byType(2, 3),
  MUL: multiply,
  RELU: byType(2, 3),
  RELU_N1_TO_1: () => 1,
  RELU6: byType(2, 3),
  RESHAPE: () => 1,
  RESIZE_BILINEAR: resize,
  SOFTMAX: byType(2, 3),
  SPACE_TO_DEPTH: byType(2, 2),
  TANH: byType(2, 3),
  PAD: (operator) => (rank(operator) > 4 ? 4 : byType(2, 3)(operator)),
  GATHER: byType(2, 4),
  TRANSPOSE: (operator) =>
    rank(operator) > 5 ? 6 : isInt16(operator) ? 5 : rank(operator) > 4 ? 4 : byType(2, 5)(operator),
  MEAN: byType(2, 3),
  SUB: (operator) => (input(operator)?.type === 'int64' ? 4 : byType(2, 5)(operator)),
  DIV: () => 1,
  STRIDED_SLICE: (operator) => (rank(operator) > 4 ? 4 : byType(2, 2)(operator)),
  LOG_SOFTMAX: byType(2, 2),
  PRELU: () => 1,
  MAXIMUM: byType(2, 4),
  ARG_MAX: byType(2, 2),
  MINIMUM: byType(2, 4),
  PADV2: (operator) => (rank(operator) > 4 ? 4 : byType(2, 3)(operator)),
  TRANSPOSE_CONV: (operator) => (operator.inputs.length > 3 ? 3 : isInt8(operator, 1) ? 2 : 1),
  SUM: byType(2, 2),
  REDUCE_MAX: byType(2, 3),
  REDUCE_MIN: byType(2, 3),
  RESIZE_NEAREST_NEIGHBOR: resize,
  LEAKY_RELU: byType(1, 2),
  MIRROR_PAD: byType(2, 3),
  QUANTIZE: ({ outputs }) => (outputs[0]?.type === 'int16' ? 2 : 1),
  HARD_SWISH: () => 1,
  BATCH_MATMUL: byType(2, 3),
}

export const versionOf = (operator: OperatorNode): number => VERSIONS[operator.code](operator)
