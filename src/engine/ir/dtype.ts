/** Element types of ONNX tensors: code in the file, width in bits, and the typed array that views them. */

/** [code in TensorProto.DataType, bits per element] */
const TABLE = {
  float32: [1, 32],
  uint8: [2, 8],
  int8: [3, 8],
  uint16: [4, 16],
  int16: [5, 16],
  int32: [6, 32],
  int64: [7, 64],
  string: [8, 0],
  bool: [9, 8],
  float16: [10, 16],
  float64: [11, 64],
  uint32: [12, 32],
  uint64: [13, 64],
  complex64: [14, 64],
  complex128: [15, 128],
  bfloat16: [16, 16],
  float8e4m3fn: [17, 8],
  float8e4m3fnuz: [18, 8],
  float8e5m2: [19, 8],
  float8e5m2fnuz: [20, 8],
  uint4: [21, 4],
  int4: [22, 4],
  float4e2m1: [23, 4],
  float8e8m0: [24, 8],
  uint2: [25, 2],
  int2: [26, 2],
} as const satisfies Record<string, readonly [number, number]>

export type DType = keyof typeof TABLE
export const DTYPES = Object.keys(TABLE) as DType[]

export const codeOf = (dtype: DType): number => TABLE[dtype][0]
export const bitsOf = (dtype: DType): number => TABLE[dtype][1]

const BY_CODE = new Map<number, DType>(DTYPES.map((dtype) => [TABLE[dtype][0], dtype]))

/** The dtype of a TensorProto.DataType code, or undefined when ONNX knows no such code. */
export const dtypeOf = (code: number): DType | undefined => BY_CODE.get(code)

/** Bytes of `elements` packed elements. */
export const byteLength = (dtype: DType, elements: number): number => Math.ceil((elements * bitsOf(dtype)) / 8)
