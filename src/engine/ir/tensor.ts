/** An immutable tensor whose bytes lie in memory or still in a file. */
import { bitsOf, byteLength, type DType } from './dtype.ts'
import { type FileSlice, readInto } from './file.ts'

/** The integers that a float tensor was made of: number = (integer − zero point) · scale. */
export interface Grid {
  /** of the integers */
  readonly dtype: DType
  readonly scales: Float32Array
  /** one for each scale */
  readonly zeroPoints: ArrayLike<number>
  /** the axis along which scales differ; null: one scale for all */
  readonly axis: number | null
  /** neighbours along the axis that share a scale; with more than one, scales have the shape of the tensor with that axis shortened */
  readonly blockSize: number
}

export interface Tensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  /** little-endian, row-major, packed bytes; empty for strings */
  readonly data: Uint8Array | FileSlice
  readonly strings?: readonly Uint8Array[]
  /** where the numbers are known to lie; gone as soon as anything changes them */
  readonly grid?: Grid
}

export const elementCount = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1)

/** The tensor's bytes, read from the file when they still lie there. The caller must not write to them. */
export function bytesOf(tensor: Tensor): Uint8Array {
  if (tensor.data instanceof Uint8Array) return tensor.data
  return readSlice(tensor.data)
}

function readSlice({ file, offset, length }: FileSlice): Uint8Array {
  const bytes = new Uint8Array(length)
  readInto(bytes, file, offset)
  return bytes
}

const VIEWS = {
  float32: Float32Array,
  float64: Float64Array,
  uint8: Uint8Array,
  int8: Int8Array,
  bool: Uint8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
} as const

export type Viewable = keyof typeof VIEWS
export type ViewOf<D extends Viewable> = InstanceType<(typeof VIEWS)[D]>

/** A typed view of the tensor's elements; float16 and bfloat16 as their raw 16 bits. Copies only when misaligned. Throws for another dtype. */
export function view<D extends Viewable>(tensor: Tensor, dtype: D): ViewOf<D> {
  if (tensor.dtype !== dtype) throw new TypeError(`expected a ${dtype} tensor, got ${tensor.dtype}`)
  const bytes = bytesOf(tensor)
  const aligned = bytes.byteOffset % (bitsOf(dtype) / 8) === 0 ? bytes : bytes.slice()
  const View = VIEWS[dtype] as unknown as new (buffer: ArrayBufferLike, offset: number, length: number) => ViewOf<D>
  return new View(aligned.buffer, aligned.byteOffset, elementCount(tensor.shape))
}

/** A tensor over a typed array; the array's bytes are shared, not copied. Throws when shape and length disagree. */
export function tensorOf(dtype: DType, shape: readonly number[], array: ArrayBufferView): Tensor {
  const expected = byteLength(dtype, elementCount(shape))
  if (array.byteLength !== expected) {
    throw new RangeError(`${dtype}[${shape.join(',')}] needs ${expected} bytes, got ${array.byteLength}`)
  }
  return { dtype, shape, data: new Uint8Array(array.buffer, array.byteOffset, array.byteLength) }
}

export const float32 = (shape: readonly number[], values: ArrayLike<number>): Tensor =>
  tensorOf('float32', shape, values instanceof Float32Array ? values : Float32Array.from(values))

export const int64 = (shape: readonly number[], values: readonly (number | bigint)[]): Tensor =>
  tensorOf('int64', shape, BigInt64Array.from(values.map(BigInt)))

export const scalar = (value: number): Tensor => float32([], [value])
