/** Stored elements → the element type of a model's input. */
import { FewbitError } from '../../shared/errors.ts'
import { bitsOf, type DType } from '../ir/dtype.ts'
import { float16Bits, fromFloat16Bits } from '../ir/float16.ts'
import type { ElementArray } from '../runtime/runtime.ts'
import { type Affine, requireFit } from './fit.ts'

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
  const aligned = bytes.byteOffset % width === 0 ? bytes : Uint8Array.from(bytes)
  return new View(aligned.buffer, aligned.byteOffset, aligned.byteLength / width)
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

/** Elements of `from` as elements of `to`. Throws dataset_mismatch for a number that `to` cannot hold. */
export function convert(elements: ElementArray, from: DType, to: DType, affine: Affine): ElementArray {
  if (from === to && affine.scale === 1 && affine.offset === 0) return elements
  const make = TARGETS[to]
  if (!make) throw new FewbitError('dataset_mismatch', `the model takes ${to}, which a data set cannot hold`)
  const out = make(elements.length)
  const numbers = numbersIn(elements, from)
  requireFit(numbers, affine, to)
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
  if (from === 'float16') return fromHalves(elements as Uint16Array)
  if (elements instanceof BigInt64Array) return fromWords(elements, Int32Array)
  if (elements instanceof BigUint64Array) return fromWords(elements, Uint32Array)
  return elements
}

function fromHalves(halves: Uint16Array): Float32Array {
  const out = new Float32Array(halves.length)
  for (let i = 0; i < out.length; i++) out[i] = fromFloat16Bits(halves[i]!)
  return out
}

/** 64-bit integers as the nearest doubles, without a bigint each: the high word has the sign, the low word has none. */
function fromWords(
  { buffer, byteOffset, length }: BigInt64Array | BigUint64Array,
  High: typeof Int32Array | typeof Uint32Array,
): Float64Array {
  const low = new Uint32Array(buffer, byteOffset, 2 * length)
  const high = new High(buffer as ArrayBuffer, byteOffset, 2 * length)
  const out = new Float64Array(length)
  for (let i = 0; i < length; i++) out[i] = high[2 * i + 1]! * 2 ** 32 + low[2 * i]!
  return out
}
