/** Reads the tables of a `.tflite`, whose bytes may be anything: every offset is checked, and what is read is counted. */
import { FewbitError } from '../../shared/errors.ts'
import {
  type FieldType,
  fieldsOf,
  OPTIONS_CODES,
  type OptionsName,
  type TableName,
  type TableOf,
  WIDTHS,
} from './schema.ts'

/** tables and numbers in one file: far more than any network has, and read within a second */
const MOST_ELEMENTS = 4_000_000

interface Reading {
  view: DataView
  elements: number
}

const invalid = (detail: string) => new FewbitError('model_invalid', `the .tflite ${detail}`)

/** Throws model_invalid for bytes that are no `.tflite`, are cut off or contradict themselves, and model_too_complex. */
export function readFile(bytes: Uint8Array): TableOf<'Model'> {
  const reading = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), elements: 0 }
  if (bytes.length < 8 || Buffer.from(bytes.subarray(4, 8)).toString('latin1') !== 'TFL3')
    throw invalid('does not begin as one: bytes 4 to 8 are not "TFL3"')
  return readTable(reading, 'Model', follow(reading, 0)) as TableOf<'Model'>
}

/** Refuses a stretch that does not lie in the file. */
function within({ view }: Reading, at: number, count: number): number {
  if (at >= 0 && count >= 0 && at + count <= view.byteLength) return at
  throw invalid(`points at bytes ${at} to ${at + count} of ${view.byteLength}: it is cut off or damaged`)
}

function count(reading: Reading, elements: number): void {
  reading.elements += elements
  if (reading.elements > MOST_ELEMENTS)
    throw new FewbitError('model_too_complex', `the .tflite has more than ${MOST_ELEMENTS} tables and numbers`)
}

/** Where the reference at `at` points. */
const follow = (reading: Reading, at: number): number =>
  within(reading, at + reading.view.getUint32(within(reading, at, 4), true), 4)

function readTable(reading: Reading, name: TableName, at: number): object {
  const { view } = reading
  count(reading, 1)
  const vtable = within(reading, at - view.getInt32(within(reading, at, 4), true), 4)
  const length = view.getUint16(vtable, true)
  within(reading, vtable, length)
  /** where the field of a slot lies; null where it has its default */
  const placeOf = (slot: number): number | null => {
    const offset = 4 + 2 * slot + 2 <= length ? view.getUint16(vtable + 4 + 2 * slot, true) : 0
    return offset === 0 ? null : at + offset
  }
  const table: Record<string, unknown> = {}
  let slot = 0
  for (const [field, type] of fieldsOf(name)) {
    const place = placeOf(slot++)
    const value =
      type === 'options' ? readOptions(reading, place, placeOf(slot++)) : place && readField(reading, type, place)
    if (value !== null && value !== undefined) table[field] = value
  }
  return table
}

function readOptions(reading: Reading, typeAt: number | null, at: number | null) {
  if (typeAt === null || at === null) return null
  const code = reading.view.getUint8(within(reading, typeAt, 1))
  const type = (Object.keys(OPTIONS_CODES) as OptionsName[]).find((name) => OPTIONS_CODES[name] === code)
  return type ? { type, value: readTable(reading, type, follow(reading, at)) } : null
}

function readField(reading: Reading, type: FieldType, at: number): unknown {
  if (type === 'unread') return null
  if (WIDTHS[type]) return readNumber(reading, type, at)
  const place = follow(reading, at)
  if (type === 'string') return Buffer.from(readBytes(reading, place)).toString('utf8')
  if (type === 'bytes') return readBytes(reading, place)
  if (!type.startsWith('[')) return readTable(reading, type as TableName, place)
  return readVector(reading, type.slice(1, -1) as FieldType, place)
}

function readBytes(reading: Reading, at: number): Uint8Array {
  const { view } = reading
  const length = view.getUint32(at, true)
  return new Uint8Array(view.buffer, view.byteOffset + within(reading, at + 4, length), length)
}

function readVector(reading: Reading, element: FieldType, at: number): unknown[] {
  const length = reading.view.getUint32(at, true)
  const width = WIDTHS[element] ?? 4
  within(reading, at + 4, length * width)
  count(reading, length)
  const read = WIDTHS[element]
    ? (place: number) => readNumber(reading, element, place)
    : (place: number) => readTable(reading, element as TableName, follow(reading, place))
  return Array.from({ length }, (_, i) => read(at + 4 + width * i))
}

function readNumber(reading: Reading, type: FieldType, at: number): number | boolean {
  const { view } = reading
  within(reading, at, WIDTHS[type] ?? 4)
  if (type === 'float') return view.getFloat32(at, true)
  if (type === 'long') return Number(view.getBigInt64(at, true))
  if (type === 'int') return view.getInt32(at, true)
  return type === 'bool' ? view.getUint8(at) !== 0 : view.getInt8(at)
}
