/** Writes tables as a flatbuffer from front to back, so that weights stream from where they lie. */
import { FewbitError } from '../../shared/errors.ts'
import type { Sink } from '../ir/sink.ts'
import {
  type Bytes,
  type FieldType,
  fieldsOf,
  OPTIONS_CODES,
  type Options,
  type TableName,
  type TableOf,
  WIDTHS,
} from './schema.ts'

/** what a flatbuffer may hold: offsets have 31 bits */
const MOST_BYTES = 2 ** 31 - 1
/** kernels read weights with vector instructions */
const DATA_ALIGNMENT = 16
const HEADER_BYTES = 8
const IDENTIFIER = 'TFL3'

/** A stretch of the file whose place is found before anything is written. */
interface Block {
  /** of its first byte behind `lead` */
  alignment: number
  /** bytes in front of what must be aligned, and of what others point at where `isTable` */
  lead: number
  size: number
  position: number
  isTable?: true
  write(view: DataView): void
  /** written behind the rest of the block, straight into the sink */
  payload?: Bytes
  children: Block[]
}

/** Where others point at: a table behind its list of fields, everything else at its beginning. */
const target = ({ position, lead, isTable }: Block): number => (isTable ? position + lead : position)

/** Measures a table and all that hangs on it; `write` puts the file into a sink. Throws model_not_convertible past 2 GiB. */
export function measureFile(root: TableOf<'Model'>): { size: number; write: (sink: Sink) => void } {
  const first = tableBlock('Model', root)
  const blocks: Block[] = []
  const size = place(first, blocks)
  if (size > MOST_BYTES)
    throw new FewbitError(
      'model_not_convertible',
      `the file would have ${size} bytes, and a .tflite holds ${MOST_BYTES}`,
    )
  return { size, write: (sink) => writeBlocks(first, blocks, sink) }
}

function place(first: Block, blocks: Block[]): number {
  let end = HEADER_BYTES
  const pending = [first]
  for (let block = pending.shift(); block; block = pending.shift()) {
    const { alignment, lead, size, payload } = block
    block.position = end + ((alignment - ((end + lead) % alignment)) % alignment)
    end = block.position + size + (payload?.length ?? 0)
    blocks.push(block)
    pending.push(...block.children)
  }
  return end
}

function writeBlocks(first: Block, blocks: readonly Block[], sink: Sink): void {
  const header = new Uint8Array(HEADER_BYTES)
  new DataView(header.buffer).setUint32(0, target(first), true)
  header.set(Buffer.from(IDENTIFIER), 4)
  sink.put(header)
  let written = HEADER_BYTES
  for (const { position, size, write, payload } of blocks) {
    const bytes = new Uint8Array(position - written + size)
    write(new DataView(bytes.buffer, position - written))
    sink.put(bytes)
    if (payload instanceof Uint8Array) sink.put(payload)
    else if (payload) sink.copy(payload)
    written = position + size + (payload?.length ?? 0)
  }
}

/** A field that is there: a number in the table, or a block that it points at. */
interface Field {
  slot: number
  width: number
  put: (view: DataView, at: number, filePosition: number) => void
}

function tableBlock(name: TableName, table: object): Block {
  const children: Block[] = []
  const { fields, slots } = fieldsIn(name, table, children)
  const vtableBytes = (4 + 2 * slots + 3) & ~3
  const wide = fields.filter(({ width }) => width === 4)
  const places = new Map<Field, number>()
  let end = 4
  for (const field of [...wide, ...fields.filter(({ width }) => width === 1)]) {
    places.set(field, end)
    end += field.width
  }
  const block: Block = {
    alignment: 4,
    lead: vtableBytes,
    size: vtableBytes + end,
    position: 0,
    isTable: true,
    children,
    write: (view) => {
      view.setUint16(0, 4 + 2 * slots, true)
      view.setUint16(2, end, true)
      view.setInt32(vtableBytes, vtableBytes, true)
      for (const [{ slot, put }, at] of places) {
        view.setUint16(4 + 2 * slot, at, true)
        put(view, vtableBytes + at, block.position + vtableBytes + at)
      }
    },
  }
  return block
}

function fieldsIn(name: TableName, table: object, children: Block[]): { fields: Field[]; slots: number } {
  const fields: Field[] = []
  let slots = 0
  for (const [field, type] of fieldsOf(name)) {
    const value = (table as Record<string, unknown>)[field]
    if (type === 'options') {
      if (value) fields.push(...optionsFields(slots, value as Options, children))
      slots += 2
      continue
    }
    if (value !== undefined) fields.push(fieldOf(slots, type, value, children))
    slots++
  }
  return { fields, slots }
}

const optionsFields = (slot: number, { type, value }: Options, children: Block[]): Field[] => [
  { slot, width: 1, put: (view, at) => view.setUint8(at, OPTIONS_CODES[type]) },
  reference(slot + 1, tableBlock(type, value), children),
]

function fieldOf(slot: number, type: FieldType, value: unknown, children: Block[]): Field {
  const width = WIDTHS[type]
  if (width) return { slot, width, put: (view, at) => putNumber(view, at, type, Number(value)) }
  return reference(slot, blockOf(type, value), children)
}

function reference(slot: number, block: Block, children: Block[]): Field {
  children.push(block)
  return { slot, width: 4, put: (view, at, here) => view.setUint32(at, target(block) - here, true) }
}

function blockOf(type: FieldType, value: unknown): Block {
  if (type === 'string') return bytesBlock(Buffer.from(`${value as string}\0`), 4, 1)
  if (type === 'bytes') return bytesBlock(value as Bytes, DATA_ALIGNMENT, 0)
  if (!type.startsWith('[')) return tableBlock(type as TableName, value as object)
  const element = type.slice(1, -1) as FieldType
  return WIDTHS[element]
    ? numbersBlock(element, value as readonly number[])
    : tablesBlock(element as TableName, value as readonly object[])
}

/** A count, the bytes, and a zero behind a text that does not count. */
const bytesBlock = (payload: Bytes, alignment: number, uncounted: number): Block => ({
  alignment,
  lead: 4,
  size: 4,
  position: 0,
  children: [],
  payload,
  write: (view) => view.setUint32(0, payload.length - uncounted, true),
})

function numbersBlock(type: FieldType, numbers: readonly number[]): Block {
  const width = WIDTHS[type] ?? 4
  return {
    alignment: width,
    lead: 4,
    size: 4 + width * numbers.length,
    position: 0,
    children: [],
    write: (view) => {
      view.setUint32(0, numbers.length, true)
      numbers.forEach((number, i) => {
        putNumber(view, 4 + width * i, type, number)
      })
    },
  }
}

function tablesBlock(name: TableName, tables: readonly object[]): Block {
  const children = tables.map((table) => tableBlock(name, table))
  const block: Block = {
    alignment: 4,
    lead: 4,
    size: 4 + 4 * tables.length,
    position: 0,
    children,
    write: (view) => {
      view.setUint32(0, children.length, true)
      children.forEach((child, i) => {
        view.setUint32(4 + 4 * i, target(child) - (block.position + 4 + 4 * i), true)
      })
    },
  }
  return block
}

function putNumber(view: DataView, at: number, type: FieldType, number: number): void {
  if (type === 'float') view.setFloat32(at, number, true)
  else if (type === 'long') view.setBigInt64(at, BigInt(number), true)
  else if (type === 'int') view.setInt32(at, number, true)
  else view.setInt8(at, number)
}
