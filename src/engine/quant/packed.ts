/** Integers of a few bits side by side in bytes, the first in the lowest bits. */
import { bytesOf, elementCount, type Tensor, tensorOf, view } from '../ir/tensor.ts'
import { allocate, type Integers, QTYPES, type QType } from './math.ts'

/** `value(index)` of each of `count` integers, `bits` bits of it; 1, 2, 4 or 8 bits. */
export function packIntegers(count: number, bits: number, value: (index: number) => number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((count * bits) / 8))
  for (let i = 0; i < count; i++) {
    const at = i * bits
    bytes[at >> 3]! |= (value(i) & (2 ** bits - 1)) << (at & 7)
  }
  return bytes
}

/** The integer at `index` of those that start at byte `start`, as an unsigned one. */
export function unsignedAt(bytes: Uint8Array, start: number, index: number, bits: number): number {
  const at = index * bits
  return (bytes[start + (at >> 3)]! >> (at & 7)) & (2 ** bits - 1)
}

/** A tensor of integers that come one per element; a 4-bit type is packed. */
export function integerTensor(qtype: QType, shape: readonly number[], integers: Integers): Tensor {
  const { bits } = QTYPES[qtype]
  const array = bits < 8 ? packIntegers(integers.length, bits, (i) => integers[i]!) : integers
  return tensorOf(qtype, shape, array)
}

/** The integers of a tensor, one per element, with their signs. */
export function integersOfTensor(tensor: Tensor, qtype: QType): Integers {
  if (qtype !== 'int4' && qtype !== 'uint4') return view(tensor, qtype)
  const { bits, signed } = QTYPES[qtype]
  const out = allocate(qtype, elementCount(tensor.shape))
  const bytes = bytesOf(tensor)
  const half = 2 ** (bits - 1)
  for (let i = 0; i < out.length; i++) {
    const found = unsignedAt(bytes, 0, i, bits)
    out[i] = signed && found >= half ? found - 2 * half : found
  }
  return out
}
