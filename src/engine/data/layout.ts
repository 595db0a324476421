/** Element order and byte order: everything becomes little-endian and row-major. */
import { bitsOf } from '../ir/dtype.ts'
import { elementCount } from '../ir/tensor.ts'
import type { NpyHeader } from './npy.ts'

/** Swaps byte order in place. */
export function toLittleEndian(
  bytes: Uint8Array,
  { dtype, bigEndian }: Pick<NpyHeader, 'dtype' | 'bigEndian'>,
): Uint8Array {
  const width = bitsOf(dtype) / 8
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bigEndian && width === 2) buffer.swap16()
  if (bigEndian && width === 4) buffer.swap32()
  if (bigEndian && width === 8) buffer.swap64()
  return bytes
}

/** Column-major elements in row-major order. */
export function toRowMajor(bytes: Uint8Array, { dtype, shape, fortran }: NpyHeader): Uint8Array {
  if (!fortran || shape.length < 2) return bytes
  const width = bitsOf(dtype) / 8
  const out = new Uint8Array(bytes.length)
  const strides = shape.map((_, axis) => elementCount(shape.slice(0, axis)))
  const index = shape.map(() => 0)
  for (let to = 0; to < bytes.length; to += width) {
    const from = width * index.reduce((sum, i, axis) => sum + i * strides[axis]!, 0)
    for (let k = 0; k < width; k++) out[to + k] = bytes[from + k]!
    advance(index, shape)
  }
  return out
}

/** The next index in row-major order. */
function advance(index: number[], shape: readonly number[]): void {
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = index[axis]! + 1
    if (index[axis]! < shape[axis]!) return
    index[axis] = 0
  }
}
