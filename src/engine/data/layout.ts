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
  const Word = WORDS[Math.min(width, 4)]!
  const words = width / Word.BYTES_PER_ELEMENT
  const from = new Word(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length / Word.BYTES_PER_ELEMENT)
  const to = new Word(from.length)
  const walk = walkOver(shape, words)
  for (let at = 0; at < to.length; at += words, walk.next())
    for (let k = 0; k < words; k++) to[at + k] = from[walk.at + k]!
  return new Uint8Array(to.buffer)
}

const WORDS: Readonly<Record<number, typeof Uint8Array | typeof Uint16Array | typeof Uint32Array>> = {
  1: Uint8Array,
  2: Uint16Array,
  4: Uint32Array,
}

/** Visits the elements of a column-major array in row-major order; `at` is where the current one lies. */
function walkOver(shape: readonly number[], words: number) {
  const strides = shape.map((_, axis) => words * elementCount(shape.slice(0, axis)))
  const index = shape.map(() => 0)
  const walk = { at: 0, next }
  function next(): void {
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      walk.at += strides[axis]!
      index[axis]!++
      if (index[axis]! < shape[axis]!) return
      walk.at -= strides[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
  return walk
}
