/** Writes an .npz: stored, not compressed, so that it can be read sample by sample. */
import { crc32 } from 'node:zlib'
import { bitsOf, type DType } from '../ir/dtype.ts'

export interface NpyArray {
  dtype: DType
  shape: readonly number[]
  /** little-endian, row-major */
  data: ArrayBufferView
}

const ALIGNMENT = 64
const KINDS: readonly [RegExp, string][] = [
  [/^float/, 'f'],
  [/^int/, 'i'],
  [/^uint/, 'u'],
  [/^bool/, 'b'],
]

const bytesOf = (view: ArrayBufferView): Buffer => Buffer.from(view.buffer, view.byteOffset, view.byteLength)

/** One array in .npy format, version 1. */
export function encodeNpy({ dtype, shape, data }: NpyArray): Buffer {
  const width = bitsOf(dtype) / 8
  const kind = KINDS.find(([pattern]) => pattern.test(dtype))?.[1]
  if (!kind) throw new TypeError(`${dtype} has no place in .npy`)
  const dims = shape.length === 1 ? `${shape[0]},` : shape.join(', ')
  const text = `{'descr': '${width === 1 ? '|' : '<'}${kind}${width}', 'fortran_order': False, 'shape': (${dims}), }`
  const length = Math.ceil((10 + text.length + 1) / ALIGNMENT) * ALIGNMENT - 10
  const head = Buffer.alloc(10 + length, ' ')
  head.write('\x93NUMPY\x01\x00', 'latin1')
  head.writeUInt16LE(length, 8)
  head.write(text, 10, 'latin1')
  head.write('\n', 9 + length, 'latin1')
  return Buffer.concat([head, bytesOf(data)])
}

/** Arrays by name as one archive below 4 GiB. */
export function encodeNpz(arrays: Readonly<Record<string, NpyArray>>): Buffer {
  const members = Object.entries(arrays).map(([name, array]) => ({
    name: Buffer.from(`${name}.npy`),
    bytes: encodeNpy(array),
  }))
  let offset = 0
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  for (const { name, bytes } of members) {
    const fields = commonFields(name, bytes)
    const local = Buffer.concat([signature(0x04034b50), fields, name, bytes])
    const entry = Buffer.alloc(14)
    entry.writeUInt32LE(offset, 10)
    directory.push(signature(0x02014b50), Buffer.from([20, 0]), fields, entry, name)
    parts.push(local)
    offset += local.length
  }
  const central = Buffer.concat(directory)
  return Buffer.concat([...parts, central, endOfDirectory(members.length, central.length, offset)])
}

function signature(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

/** From "version needed" to "extra length": the same in a local header and in the directory. */
function commonFields(name: Buffer, bytes: Buffer): Buffer {
  const fields = Buffer.alloc(26)
  fields.writeUInt16LE(20, 0)
  fields.writeUInt16LE(0x21, 8)
  fields.writeUInt32LE(crc32(bytes), 10)
  fields.writeUInt32LE(bytes.length, 14)
  fields.writeUInt32LE(bytes.length, 18)
  fields.writeUInt16LE(name.length, 22)
  return fields
}

function endOfDirectory(count: number, size: number, offset: number): Buffer {
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(count, 8)
  end.writeUInt16LE(count, 10)
  end.writeUInt32LE(size, 12)
  end.writeUInt32LE(offset, 16)
  return end
}
