/** TensorProto ⇄ Tensor: whichever field holds the elements, they become packed little-endian bytes. */

import { FewbitError } from '../../shared/errors.ts'
import { bitsOf, byteLength, codeOf, type DType, dtypeOf } from '../ir/dtype.ts'
import type { FileSlice } from '../ir/file.ts'
import { at } from '../ir/list.ts'
import { bytesOf, type Tensor, tensorOf } from '../ir/tensor.ts'
import type { ExternalFiles } from './external.ts'
import { type Budget, LIMITS } from './limits.ts'
import type { Message, Written } from './schema.ts'

type TensorProto = Message<'TensorProto'>
type SparseTensorProto = Message<'SparseTensorProto'>

const EXTERNAL = 1

export interface TensorReader {
  files: ExternalFiles
  budget: Budget
}

function invalid(name: string, detail: string): FewbitError {
  return new FewbitError('model_tensor_invalid', `tensor "${name.slice(0, 200)}" ${detail}`)
}

/** Throws model_tensor_invalid when type, shape and bytes contradict each other, model_external_data for bytes outside the upload. */
export function readTensor(reader: TensorReader, proto: TensorProto): Tensor {
  const name = proto.name ?? ''
  const dtype = dtypeOf(proto.data_type ?? 0)
  if (!dtype) throw invalid(name, `has the unknown data type ${proto.data_type ?? 0}`)
  if (proto.segment) throw invalid(name, 'is stored in segments, which ONNX Runtime cannot read')
  const shape = readShape(name, proto.dims ?? [])
  if (dtype === 'string') return { dtype, shape, data: new Uint8Array(), strings: readStrings(name, shape, proto) }
  const data = proto.data_location === EXTERNAL ? reader.files.slice(proto) : elementsOf(name, dtype, proto)
  const expected = byteLength(dtype, countOf(shape))
  if (data.length === expected) return { dtype, shape, data }
  throw invalid(name, `is ${dtype}[${shape.join(', ')}] and needs ${expected} bytes, the file holds ${data.length}`)
}

function readShape(name: string, dims: readonly number[]): number[] {
  if (dims.length > LIMITS.rank) throw invalid(name, `has ${dims.length} dimensions`)
  if (dims.some((dim) => dim < 0)) throw invalid(name, `has a negative dimension: [${dims.join(', ')}]`)
  if (!Number.isSafeInteger(8 * countOf(dims)))
    throw invalid(name, `has more elements than any memory holds: [${dims.join(', ')}]`)
  return [...dims]
}

/** Infinity instead of a wrapped product; an empty dimension makes it 0. */
const countOf = (dims: readonly number[]): number =>
  dims.includes(0) ? 0 : dims.reduce((product, dim) => product * dim, 1)

function readStrings(name: string, shape: readonly number[], { string_data = [] }: TensorProto): Uint8Array[] {
  if (string_data.length !== countOf(shape))
    throw invalid(name, `has ${string_data.length} strings and the shape [${shape.join(', ')}]`)
  return string_data.map((bytes) => inMemory(bytes))
}

const inMemory = (bytes: Uint8Array | FileSlice): Uint8Array =>
  bytesOf({ dtype: 'uint8', shape: [bytes.length], data: bytes })

function elementsOf(name: string, dtype: DType, proto: TensorProto): Uint8Array | FileSlice {
  if (proto.raw_data) return proto.raw_data
  const read = TYPED_FIELDS[dtype]
  if (!read) throw invalid(name, `has no data`)
  return read(proto) ?? new Uint8Array()
}

/** The low `width` bytes of each 64-bit word. */
function narrow(words: Uint8Array | undefined, width: number): Uint8Array | undefined {
  if (!words || width === 8) return words
  const out = new Uint8Array((words.length / 8) * width)
  for (let i = 0, word = 0; word < words.length; word += 8) for (let k = 0; k < width; k++) out[i++] = words[word + k]!
  return out
}

type TypedField = (proto: TensorProto) => Uint8Array | FileSlice | undefined

const int32Data =
  (width: number): TypedField =>
  (proto) =>
    narrow(proto.int32_data, width)

/** Where the elements lie when not in raw_data. Source: the comments of TensorProto in onnx.proto. */
const TYPED_FIELDS: Partial<Record<DType, TypedField>> = {
  float32: (proto) => proto.float_data,
  complex64: (proto) => proto.float_data,
  float64: (proto) => proto.double_data,
  complex128: (proto) => proto.double_data,
  int64: (proto) => proto.int64_data,
  uint64: (proto) => proto.uint64_data,
  uint32: (proto) => narrow(proto.uint64_data, 4),
  int32: int32Data(4),
  int16: int32Data(2),
  uint16: int32Data(2),
  float16: int32Data(2),
  bfloat16: int32Data(2),
  int8: int32Data(1),
  uint8: int32Data(1),
  bool: int32Data(1),
  int4: int32Data(1),
  uint4: int32Data(1),
  int2: int32Data(1),
  uint2: int32Data(1),
  float4e2m1: int32Data(1),
  float8e4m3fn: int32Data(1),
  float8e4m3fnuz: int32Data(1),
  float8e5m2: int32Data(1),
  float8e5m2fnuz: int32Data(1),
  float8e8m0: int32Data(1),
}

/** A sparse initializer as the dense tensor that it stands for. */
export function readSparseTensor(reader: TensorReader, proto: SparseTensorProto): { name: string; tensor: Tensor } {
  const name = proto.values?.name ?? ''
  if (!proto.values || !proto.indices) throw invalid(name, 'is sparse and has no values or no indices')
  const values = readTensor(reader, proto.values)
  const shape = readShape(name, proto.dims ?? [])
  const width = bitsOf(values.dtype) / 8
  if (width < 1 || values.dtype === 'string') throw invalid(name, `is sparse with elements of type ${values.dtype}`)
  reader.budget.takeBytes(width * countOf(shape))
  const dense = new Uint8Array(width * countOf(shape))
  const source = bytesOf(values)
  flatIndices(name, readTensor(reader, proto.indices), shape).forEach((at, i) => {
    dense.set(source.subarray(i * width, (i + 1) * width), at * width)
  })
  return { name, tensor: tensorOf(values.dtype, shape, dense) }
}

/** Indices come as [NNZ] positions in the flat tensor or as [NNZ, rank] coordinates. */
function flatIndices(name: string, indices: Tensor, shape: readonly number[]): number[] {
  if (indices.dtype !== 'int64') throw invalid(name, `has indices of type ${indices.dtype}`)
  const bytes = bytesOf(indices).slice()
  const flat = [...new BigInt64Array(bytes.buffer)].map(Number)
  const rank = indices.shape.length === 2 ? indices.shape[1] : 1
  const strides = indices.shape.length === 2 ? shape.map((_, axis) => countOf(shape.slice(axis + 1))) : [1]
  if (strides.length !== rank) throw invalid(name, `has indices of rank ${rank} for ${shape.length} dimensions`)
  return Array.from({ length: flat.length / rank }, (_, i) => {
    const place = strides.reduce((sum, stride, axis) => sum + stride * at(flat, i * rank + axis), 0)
    if (place < 0 || place >= countOf(shape))
      throw invalid(name, `has the index ${place} outside of [${shape.join(', ')}]`)
    return place
  })
}

/** A stretch of a file beside the model. */
export interface Reference {
  location: string
  offset: number
}

/** Where the bytes of a tensor lie when they are not in the model itself. */
export type Place = (tensor: Tensor) => Reference | null

export const INLINE: Place = () => null

/** A TensorProto with raw bytes, which are copied when the message is written, or with a reference to them. */
export function writeTensor(name: string, tensor: Tensor, place: Place = INLINE): Written<'TensorProto'> {
  const head = { name, data_type: codeOf(tensor.dtype), dims: tensor.shape }
  if (tensor.strings) return { ...head, string_data: [...tensor.strings] }
  const found = place(tensor)
  return found ? { ...head, ...referenceTo(found, tensor.data.length) } : { ...head, raw_data: tensor.data }
}

function referenceTo({ location, offset }: Reference, length: number) {
  const entries = Object.entries({ location, offset, length })
  return {
    data_location: EXTERNAL,
    external_data: entries.map(([key, value]) => ({ key, value: String(value) })),
  }
}
