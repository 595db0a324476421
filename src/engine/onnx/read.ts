/** Reads protobuf messages from a file by the schema table; long byte fields stay slices of the file. */
import { FewbitError } from '../../shared/errors.ts'
import type { FileSlice } from '../ir/file.ts'
import { Budget, LIMITS, tooComplex } from './limits.ts'
import { type Field, fieldsByNumber, KEEPS_EXTENT, type Message, type MessageName, type ScalarKind } from './schema.ts'
import { type FileWindow, truncated } from './window.ts'

const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

/** What a repeated number collects into while its message is read. */
class Words {
  bytes = new Uint8Array(64)
  length = 0

  add(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.bytes.set(bytes, this.length)
    this.length += bytes.length
  }
  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(2 * this.bytes.length, this.length + count))
    grown.set(this.bytes)
    this.bytes = grown
  }
  addPair(low: number, high: number): void {
    this.reserve(8)
    const view = new DataView(this.bytes.buffer)
    view.setUint32(this.length, low, true)
    view.setUint32(this.length + 4, high, true)
    this.length += 8
  }
  trimmed(): Uint8Array {
    return this.bytes.slice(0, this.length)
  }
}

type Fields = Record<string, unknown>

interface Reader {
  window: FileWindow
  budget: Budget
}

type ReadField = (reader: Reader, wire: number, fields: Fields, field: Field) => void

function malformed(reader: Reader, detail: string): FewbitError {
  return new FewbitError('model_invalid', `${detail} at byte ${reader.window.position}`)
}

function expectWire(reader: Reader, wire: number, expected: number, field: Field): void {
  if (wire !== expected) throw malformed(reader, `field ${field.name} has the wrong wire type ${wire}`)
}

function readLength(reader: Reader): number {
  const length = reader.window.unsigned()
  const { position, size } = reader.window
  if (position + length > size)
    throw truncated(`a field at byte ${position} claims ${length} bytes, the file ends ${size - position} bytes later`)
  return length
}

function put(fields: Fields, field: Field, value: unknown, budget: Budget): void {
  if (!field.repeated) fields[field.name] = value
  else {
    budget.takeBytes(16)
    const list = fields[field.name] as unknown[] | undefined
    if (list) list.push(value)
    else fields[field.name] = [value]
  }
}

function readText(reader: Reader): string {
  const length = readLength(reader)
  reader.budget.takeBytes(length)
  return reader.window.string(length)
}

function readBytes(reader: Reader): Uint8Array | FileSlice {
  const length = readLength(reader)
  const { window } = reader
  if (length >= LIMITS.inlineBytes) return skippedSlice(window, length)
  reader.budget.takeBytes(length)
  return window.bytes(length)
}

function skippedSlice(window: FileWindow, length: number): FileSlice {
  const slice = { file: window.file, offset: window.position, length }
  window.position += length
  return slice
}

/** Calls `read` for one unpacked element or until a packed run ends. */
function eachElement(reader: Reader, wire: number, elementWire: number, field: Field, read: () => void): void {
  if (wire !== WIRE.bytes) {
    expectWire(reader, wire, elementWire, field)
    read()
    return
  }
  const end = readLength(reader) + reader.window.position
  while (reader.window.position < end) read()
  if (reader.window.position !== end) throw malformed(reader, `the elements of ${field.name} do not fill their field`)
}

function wordsOf(fields: Fields, field: Field): Words {
  const known = fields[field.name]
  if (known instanceof Words) return known
  const words = new Words()
  fields[field.name] = words
  return words
}

const readInts: ReadField = (reader, wire, fields, field) => {
  fields[field.name] ??= []
  const list = fields[field.name] as number[]
  eachElement(reader, wire, WIRE.varint, field, () => {
    reader.budget.takeBytes(8)
    list.push(reader.window.int())
  })
}

const readVarints: ReadField = (reader, wire, fields, field) => {
  const words = wordsOf(fields, field)
  eachElement(reader, wire, WIRE.varint, field, () => {
    reader.budget.takeBytes(8)
    reader.window.varint()
    words.addPair(reader.window.low, reader.window.high)
  })
}

/** Packed floats lie in the file as a tensor's bytes do, so one long run stays there. */
function readFixed(width: number, elementWire: number): ReadField {
  return (reader, wire, fields, field) => {
    const packed = wire === WIRE.bytes
    if (!packed) expectWire(reader, wire, elementWire, field)
    const length = packed ? readLength(reader) : width
    if (length % width !== 0) throw malformed(reader, `the elements of ${field.name} do not fill their field`)
    const known = fields[field.name]
    if (known === undefined && length >= LIMITS.inlineBytes) fields[field.name] = skippedSlice(reader.window, length)
    else appendFixed(reader, fields, field, length)
  }
}

function appendFixed(reader: Reader, fields: Fields, field: Field, length: number): void {
  const known = fields[field.name]
  if (known !== undefined && !(known instanceof Words)) throw malformed(reader, `field ${field.name} is split`)
  reader.budget.takeBytes(length)
  wordsOf(fields, field).add(reader.window.bytes(length))
}

/** A field whose elements are read one by one. */
function readSingle(expected: number, read: (reader: Reader) => unknown): ReadField {
  return (reader, wire, fields, field) => {
    expectWire(reader, wire, expected, field)
    put(fields, field, read(reader), reader.budget)
  }
}

const READERS: Record<ScalarKind, ReadField> = {
  int: readSingle(WIRE.varint, (reader) => reader.window.int()),
  float: readSingle(WIRE.fixed32, (reader) => reader.window.float()),
  string: readSingle(WIRE.bytes, readText),
  bytes: readSingle(WIRE.bytes, readBytes),
  ints: readInts,
  varints: readVarints,
  fixed32s: readFixed(4, WIRE.fixed32),
  fixed64s: readFixed(8, WIRE.fixed64),
}

function readSubmessage(reader: Reader, wire: number, fields: Fields, field: Field, depth: number): void {
  expectWire(reader, wire, WIRE.bytes, field)
  if (!field.repeated && fields[field.name] !== undefined) throw malformed(reader, `field ${field.name} appears twice`)
  const length = readLength(reader)
  const end = reader.window.position + length
  put(fields, field, readFields(reader, field.kind as MessageName, end, depth + 1), reader.budget)
}

const SKIPPED: Record<number, (reader: Reader) => number> = {
  [WIRE.varint]: (reader) => {
    reader.window.varint()
    return 0
  },
  [WIRE.fixed64]: () => 8,
  [WIRE.bytes]: readLength,
  [WIRE.fixed32]: () => 4,
}

function skipField(reader: Reader, wire: number): void {
  const skip = SKIPPED[wire]
  if (!skip) throw malformed(reader, `wire type ${wire} is not used by ONNX`)
  const length = skip(reader)
  reader.window.position += length
}

function readField(reader: Reader, name: MessageName, fields: Fields, depth: number): void {
  const tag = reader.window.unsigned()
  const wire = tag % 8
  const number = Math.floor(tag / 8)
  if (number === 0 || tag >= 2 ** 32) throw malformed(reader, `field number ${number} is not valid`)
  const field = fieldsByNumber(name).get(number)
  if (!field) skipField(reader, wire)
  else if (field.isMessage) readSubmessage(reader, wire, fields, field, depth)
  else READERS[field.kind as ScalarKind](reader, wire, fields, field)
}

function readFields(reader: Reader, name: MessageName, end: number, depth: number): Fields {
  if (depth > LIMITS.depth) throw tooComplex(`more than ${LIMITS.depth} levels of nesting`)
  reader.budget.takeMessage(name)
  const fields: Fields = {}
  const { window } = reader
  const start = window.position
  if (name === 'Opaque') window.position = end
  while (window.position < end) readField(reader, name, fields, depth)
  if (window.position !== end) throw malformed(reader, `a field runs past the end of its ${name}`)
  if (KEEPS_EXTENT.has(name)) fields.extent = { file: window.file, offset: start, length: end - start }
  for (const key in fields) if (fields[key] instanceof Words) fields[key] = fields[key].trimmed()
  return fields
}

/** Reads the whole file as one message. Throws model_truncated, model_invalid or model_too_complex. */
export function readMessage<N extends MessageName>(window: FileWindow, name: N, budget = new Budget()): Message<N> {
  return readFields({ window, budget }, name, window.size, 0) as Message<N>
}
