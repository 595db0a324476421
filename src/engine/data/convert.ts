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

type Make = (length: number) => ElementArray
type NumberArray = Exclude<ElementArray, BigInt64Array | BigUint64Array>

const TARGETS: Partial<Record<DType, Make>> = {
  float32: (length) => new Float32Array(length),
  float64: (length) => new Float64Array(length),
  float16: (length) => new Uint16Array(length),
  int8: (length) => new Int8Array(length),
  uint8: (length) => new Uint8Array(length),
  int16: (length) => new Int16Array(length),
  uint16: (length) => new Uint16Array(length),
  int32: (length) => new Int32Array(length),
  uint32: (length) => new Uint32Array(length),
  int64: (length) => new BigInt64Array(length),
  uint64: (length) => new BigUint64Array(length),
  bool: (length) => new Uint8Array(length),
}

/** Elements of `from` as elements of `to`. */
export function convert(elements: ElementArray, from: DType, to: DType, affine: Affine): ElementArray {
  if (from === to && affine.scale === 1 && affine.offset === 0) return elements
  const make = TARGETS[to]
  if (!make) throw new FewbitError('dataset_mismatch', `the model takes ${to}, which a data set cannot hold`)
  const out = make(elements.length)
  const numbers = numbersIn(elements, from)
  if (out instanceof BigInt64Array || out instanceof BigUint64Array) fillIntegers(out, numbers, affine)
  else fillNumbers(out, numbers, to, affine)
  return out
}

function fillNumbers(out: NumberArray, numbers: ArrayLike<number>, to: DType, { scale, offset }: Affine): void {
  if (to === 'float16') for (let i = 0; i < out.length; i++) out[i] = float16Bits(numbers[i]! * scale + offset)
  else if (to === 'bool') for (let i = 0; i < out.length; i++) out[i] = numbers[i] === 0 ? 0 : 1
  else for (let i = 0; i < out.length; i++) out[i] = numbers[i]! * scale + offset
}

function fillIntegers(
  out: BigInt64Array | BigUint64Array,
  numbers: ArrayLike<number>,
  { scale, offset }: Affine,
): void {
  for (let i = 0; i < out.length; i++) out[i] = BigInt(Math.trunc(numbers[i]! * scale + offset))
}

function numbersIn(elements: ElementArray, from: DType): ArrayLike<number> {
  if (from === 'float16') return fromFloat16(elements as Uint16Array)
  if (elements instanceof BigInt64Array || elements instanceof BigUint64Array)
    return Float64Array.from(elements, Number)
  return elements
}
