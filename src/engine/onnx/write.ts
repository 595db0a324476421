/** Writes protobuf messages by the schema table: one pass for the sizes, one allocation, one pass for the bytes. */
import { readSync } from 'node:fs'
import { FewbitError } from '../../shared/errors.ts'
import type { FileSlice } from '../ir/tensor.ts'
import { LIMITS } from './limits.ts'
import {
  type Field,
  fieldsOfMessage,
  type MessageName,
  type ScalarKind,
  type ScalarTypes,
  type Written,
} from './schema.ts'

const WIRE: Record<ScalarKind, number> = {
  int: 0,
  float: 5,
  string: 2,
  bytes: 2,
  ints: 2,
  varints: 2,
  fixed32s: 2,
  fixed64s: 2,
}

/** Sizes of messages and packed runs in the order in which both passes meet them. */
type Sizes = number[]

interface Writer {
  bytes: Uint8Array
  view: DataView
  position: number
  sizes: Sizes
  next: number
}

const text = new TextEncoder()
const bytesIn = (value: Uint8Array | FileSlice): number => value.length

function varintSize(low: number, high: number): number {
  if (high >= 2 ** 31) return 10
  const bits = high > 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(low | 1)
  return Math.ceil(bits / 7)
}

/** The two's complement halves of an integer, saturated to 64 bits. */
function halves(value: number): [number, number] {
  if (value >= 2 ** 63) return [0xffffffff, 0x7fffffff]
  if (value <= -(2 ** 63)) return [0, 0x80000000]
  return [value >>> 0 === value ? value : Number(BigInt.asUintN(32, BigInt(value))), Math.floor(value / 2 ** 32) >>> 0]
}

const isSmall = (value: number): boolean => value >= 0 && value < 2 ** 31
const intSize = (value: number): number => (isSmall(value) ? varintSize(value, 0) : varintSize(...halves(value)))

function sumSizes<T>(values: Iterable<T>, sizeOf: (value: T) => number): number {
  let total = 0
  for (const value of values) total += sizeOf(value)
  return total
}

function* pairsOf(words: Uint8Array): Generator<[number, number]> {
  const view = new DataView(words.buffer, words.byteOffset, words.byteLength)
  for (let at = 0; at < words.length; at += 8) yield [view.getUint32(at, true), view.getUint32(at + 4, true)]
}

/** Payload bytes of a scalar, without tag and length. */
const SIZES: { [K in ScalarKind]: (value: ScalarTypes[K]) => number } = {
  int: intSize,
  float: () => 4,
  string: (value) => Buffer.byteLength(value),
  bytes: bytesIn,
  ints: (values) => sumSizes(values, intSize),
  varints: (words) => sumSizes(pairsOf(words), ([low, high]) => varintSize(low, high)),
  fixed32s: bytesIn,
  fixed64s: bytesIn,
}

const isDelimited = (field: Field): boolean => field.isMessage || WIRE[field.kind as ScalarKind] === 2
const tagOf = (field: Field): number => field.number * 8 + (field.isMessage ? 2 : WIRE[field.kind as ScalarKind])
function payloadSize(field: Field, value: unknown, sizes: Sizes): number {
  const slot = sizes.push(0) - 1
  const size = field.isMessage
    ? messageSize(field.kind as MessageName, value as object, sizes)
    : (SIZES[field.kind as ScalarKind] as (value: unknown) => number)(value)
  sizes[slot] = size
  return size
}

function elementSize(field: Field, value: unknown, sizes: Sizes): number {
  const size = payloadSize(field, value, sizes)
  return intSize(tagOf(field)) + size + (isDelimited(field) ? intSize(size) : 0)
}

/** Whether a field is written: it is set, and no empty packed run. */
const isPresent = (field: Field, value: unknown): boolean =>
  value !== undefined && !(field.kind === 'ints' && (value as number[]).length === 0)

function messageSize(name: MessageName, message: object, sizes: Sizes): number {
  if (message instanceof Uint8Array) return message.length
  let size = 0
  for (const field of fieldsOfMessage(name)) {
    const value = (message as Record<string, unknown>)[field.name]
    if (!isPresent(field, value)) continue
    if (field.repeated) for (const element of value as unknown[]) size += elementSize(field, element, sizes)
    else size += elementSize(field, value, sizes)
  }
  return size
}

function writeVarint(writer: Writer, low: number, high: number): void {
  while (high > 0 || low > 0x7f) {
    writer.bytes[writer.position++] = (low & 0x7f) | 0x80
    low = ((low >>> 7) | (high << 25)) >>> 0
    high >>>= 7
  }
  writer.bytes[writer.position++] = low
}

function writeInt(writer: Writer, value: number): void {
  if (isSmall(value)) writeVarint(writer, value, 0)
  else writeVarint(writer, ...halves(value))
}

function writeBytes(writer: Writer, value: Uint8Array | FileSlice): void {
  if (value instanceof Uint8Array) writer.bytes.set(value, writer.position)
  else copySlice(writer, value)
  writer.position += value.length
}

function copySlice({ bytes, position }: Writer, { fd, offset, length }: FileSlice): void {
  for (let done = 0; done < length; ) {
    const got = readSync(fd, bytes, position + done, Math.min(length - done, 2 ** 30), offset + done)
    if (got === 0)
      throw new FewbitError('model_truncated', `the file ended while ${length} bytes of weights were copied`)
    done += got
  }
}

const WRITERS: { [K in ScalarKind]: (writer: Writer, value: ScalarTypes[K]) => void } = {
  int: writeInt,
  float: (writer, value) => {
    writer.view.setFloat32(writer.position, value, true)
    writer.position += 4
  },
  string: (writer, value) => {
    writer.position += text.encodeInto(value, writer.bytes.subarray(writer.position)).written
  },
  bytes: writeBytes,
  ints: (writer, values) => {
    for (const value of values) writeInt(writer, value)
  },
  varints: (writer, words) => {
    for (const [low, high] of pairsOf(words)) writeVarint(writer, low, high)
  },
  fixed32s: writeBytes,
  fixed64s: writeBytes,
}

function writeElement(writer: Writer, field: Field, value: unknown): void {
  writeInt(writer, tagOf(field))
  const size = writer.sizes[writer.next++]
  if (isDelimited(field)) writeInt(writer, size)
  if (field.isMessage) writeFields(writer, field.kind as MessageName, value as object)
  else (WRITERS[field.kind as ScalarKind] as (writer: Writer, value: unknown) => void)(writer, value)
}

function writeFields(writer: Writer, name: MessageName, message: object): void {
  if (message instanceof Uint8Array) {
    writeBytes(writer, message)
    return
  }
  for (const field of fieldsOfMessage(name)) {
    const value = (message as Record<string, unknown>)[field.name]
    if (!isPresent(field, value)) continue
    if (field.repeated) for (const element of value as unknown[]) writeElement(writer, field, element)
    else writeElement(writer, field, value)
  }
}

/** Encodes a message. Throws model_too_complex past protobuf's 2 GiB. */
export function writeMessage<N extends MessageName>(name: N, message: Written<N>): Uint8Array {
  const sizes: Sizes = []
  const size = messageSize(name, message, sizes)
  if (size > LIMITS.encodedBytes) {
    throw new FewbitError(
      'model_too_complex',
      `the encoded model would have ${size} bytes; a model in one file has at most ${LIMITS.encodedBytes}`,
    )
  }
  const bytes = new Uint8Array(size)
  writeFields({ bytes, view: new DataView(bytes.buffer), position: 0, sizes, next: 0 }, name, message)
  return bytes
}
