/** Numbers that TensorFlow Lite's schema gives to operators and element types. */
import type { DType } from '../ir/dtype.ts'

export const OPERATORS = {
  ADD: 0,
  AVERAGE_POOL_2D: 1,
  CONCATENATION: 2,
  CONV_2D: 3,
  DEPTHWISE_CONV_2D: 4,
  DEPTH_TO_SPACE: 5,
  DEQUANTIZE: 6,
  FULLY_CONNECTED: 9,
  LOGISTIC: 14,
  MAX_POOL_2D: 17,
  MUL: 18,
  RELU: 19,
  RELU_N1_TO_1: 20,
  RELU6: 21,
  RESHAPE: 22,
  RESIZE_BILINEAR: 23,
  SOFTMAX: 25,
  SPACE_TO_DEPTH: 26,
  TANH: 28,
  PAD: 34,
  GATHER: 36,
  TRANSPOSE: 39,
  MEAN: 40,
  SUB: 41,
  DIV: 42,
  STRIDED_SLICE: 45,
  LOG_SOFTMAX: 50,
  PRELU: 54,
  MAXIMUM: 55,
  ARG_MAX: 56,
  MINIMUM: 57,
  PADV2: 60,
  TRANSPOSE_CONV: 67,
  SUM: 74,
  REDUCE_MAX: 82,
  REDUCE_MIN: 89,
  RESIZE_NEAREST_NEIGHBOR: 97,
  LEAKY_RELU: 98,
  MIRROR_PAD: 100,
  QUANTIZE: 114,
  HARD_SWISH: 117,
  BATCH_MATMUL: 126,
} as const
export type OperatorCode = keyof typeof OPERATORS

const TYPES = { float32: 0, float16: 1, int32: 2, uint8: 3, int64: 4, bool: 6, int16: 7, int8: 9 } as const
export type ElementType = keyof typeof TYPES
export const codeOfType = (type: ElementType): number => TYPES[type]
export const isElementType = (dtype: DType | undefined): dtype is ElementType => dtype !== undefined && dtype in TYPES
