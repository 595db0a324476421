/** Stored elements → the element type of a model's input. */
import { FewbitError } from '../../shared/errors.ts'
import { bitsOf, type DType } from '../ir/dtype.ts'
import { float16Bits, fromFloat16 } from '../ir/float16.ts'
import type { ElementArray } from '../runtime/runner.ts'

type Constructor = new (buffer: ArrayBufferLike, offset: number, length: number) => ElementArray

const ARRAYS: Partial<Record<DType, Constructor>> = {
  bool: Uint8Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
} as Partial<Record<DType, Constructor>>

/** The bytes as elements; float16 as its bits. */
export function viewAs(bytes: Uint8Array, dtype: DType): ElementArray {
  const View = ARRAYS[dtype]
  if (!View) throw new FewbitError('dataset_mismatch', `data of type ${dtype} cannot feed a model`)
  const width = bitsOf(dtype) / 8
  const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice()
  return new View(aligned.buffer, aligned.byteOffset, aligned.byteLength / width)
}

/** value · scale + offset */
export interface Affine {
  scale: number
  offset: number
}

const FROM_NUMBERS: Partial<Record<DType, (values: ArrayLike<number>) => ElementArray>> = {
  float32: (values) => Float32Array.from(values),
  float64: (values) => Float64Array.from(values),
  float16: (values) => Uint16Array.from(values, float16Bits),
  int8: (values) => Int8Array.from(values),
  uint8: (values) => Uint8Array.from(values),
  int16: (values) => Int16Array.from(values),
  uint16: (values) => Uint16Array.from(values),
  int32: (values) => Int32Array.from(values),
  uint32: (values) => Uint32Array.from(values),
  int64: (values) => BigInt64Array.from(Array.from(values, (value) => BigInt(Math.trunc(value)))),
  uint64: (values) => BigUint64Array.from(Array.from(values, (value) => BigInt(Math.trunc(value)))),
  bool: (values) => Uint8Array.from(values, (value) => (value === 0 ? 0 : 1)),
}

/** Elements of `from` as elements of `to`. */
export function convert(elements: ElementArray, from: DType, to: DType, affine: Affine): ElementArray {
  const plain = affine.scale === 1 && affine.offset === 0
  if (from === to && plain) return elements
  const make = FROM_NUMBERS[to]
  if (!make) throw new FewbitError('dataset_mismatch', `the model takes ${to}, which a data set cannot hold`)
  const numbers = numbersIn(elements, from)
  return make(plain ? numbers : Float64Array.from(numbers, (value) => value * affine.scale + affine.offset))
}

function numbersIn(elements: ElementArray, from: DType): ArrayLike<number> {
  if (from === 'float16') return fromFloat16(elements as Uint16Array)
  if (elements instanceof BigInt64Array || elements instanceof BigUint64Array)
    return Float64Array.from(elements, Number)
  return elements
}
