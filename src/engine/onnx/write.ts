/** Writes protobuf messages by the schema table: one pass for the sizes, one for the bytes. */
import type { FileSlice } from '../ir/file.ts'
import type { Sink } from '../ir/sink.ts'
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
  sink: Sink
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

const VARINT_BYTES = 10

function writeVarint({ sink }: Writer, low: number, high: number): void {
  sink.reserve(VARINT_BYTES)
  while (high > 0 || low > 0x7f) {
    sink.bytes[sink.position++] = (low & 0x7f) | 0x80
    low = ((low >>> 7) | (high << 25)) >>> 0
    high >>>= 7
  }
  sink.bytes[sink.position++] = low
}

function writeInt(writer: Writer, value: number): void {
  if (isSmall(value)) writeVarint(writer, value, 0)
  else writeVarint(writer, ...halves(value))
}

function writeBytes({ sink }: Writer, value: Uint8Array | FileSlice): void {
  if (value instanceof Uint8Array) sink.put(value)
  else sink.copy(value)
}

const WRITERS: { [K in ScalarKind]: (writer: Writer, value: ScalarTypes[K]) => void } = {
  int: writeInt,
  float: ({ sink }, value) => {
    sink.reserve(4)
    sink.view.setFloat32(sink.position, value, true)
    sink.position += 4
  },
  string: ({ sink }, value) => sink.put(text.encode(value)),
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
  const size = writer.sizes[writer.next++]!
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

export interface Measured {
  /** bytes of the whole message */
  size: number
  write(sink: Sink): void
}

/** Measures a message; it must not change before it is written. */
export function measureMessage<N extends MessageName>(name: N, message: Written<N>): Measured {
  const sizes: Sizes = []
  const size = messageSize(name, message, sizes)
  return { size, write: (sink) => writeFields({ sink, sizes, next: 0 }, name, message) }
}
