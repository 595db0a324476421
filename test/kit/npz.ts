/** Archives written byte by byte, so that each field can be odd or a lie. */
import { crc32, deflateRawSync } from 'node:zlib'

export interface NpyFields {
  descr?: string
  fortran?: boolean
  /** as it stands in the header: `(3, 2)` */
  shape?: string
  version?: 1 | 2 | 3
  /** the whole dictionary, instead of the three above */
  header?: string
}

/** One .npy file around `body`. */
export function npy(body: Uint8Array, { version = 1, ...fields }: NpyFields = {}): Buffer {
  const { descr = '<f4', fortran = false, shape = '(3, 2)' } = fields
  const text =
    fields.header ?? `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': ${shape}, }`
  const length = Buffer.alloc(version === 1 ? 2 : 4)
  length.writeUIntLE(text.length + 1, 0, length.length)
  const start = Buffer.concat([Buffer.from('\x93NUMPY', 'latin1'), Buffer.from([version, 0]), length])
  return Buffer.concat([start, Buffer.from(`${text}\n`), body])
}

export interface ZipMember {
  name: string
  bytes: Uint8Array
  deflate?: boolean
  /** what the headers say instead of the truth */
  method?: number
  flags?: number
  size?: number
  /** changes the stored or compressed bytes after everything was computed */
  damage?: (data: Buffer) => void
  /** says its sizes and place as zip64 does */
  zip64?: boolean
}

const LOCAL = 0x04034b50
const CENTRAL = 0x02014b50
const END = 0x06054b50
const FULL = 0xffffffff

/** The archive of these members. */
export function zip(members: readonly ZipMember[]): Buffer {
  const files: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const member of members) {
    const { fields, data } = encode(member)
    const name = Buffer.from(member.name)
    const local = Buffer.concat([uint32(LOCAL), fields, uint16(name.length), uint16(0), name, data])
    directory.push(entryOf(member, fields, name, data.length, offset))
    files.push(local)
    offset += local.length
  }
  const central = Buffer.concat(directory)
  const counts = [0, 0, members.length, members.length].map(uint16)
  const end = Buffer.concat([uint32(END), ...counts, uint32(central.length), uint32(offset), uint16(0)])
  return Buffer.concat([...files, central, end])
}

function encode({ bytes, deflate = false, method = deflate ? 8 : 0, flags = 0, size, damage }: ZipMember) {
  const data = Buffer.from(deflate ? deflateRawSync(bytes) : bytes)
  const start = [20, flags, method, 0, 0x21].map(uint16)
  const sizes = [crc32(bytes), data.length, Math.min(size ?? bytes.length, FULL)].map(uint32)
  damage?.(data)
  return { fields: Buffer.concat([...start, ...sizes]), data }
}

function entryOf(member: ZipMember, fields: Buffer, name: Buffer, packed: number, offset: number): Buffer {
  const extra = member.zip64 ? zip64(member.size ?? member.bytes.length, packed, offset) : Buffer.alloc(0)
  const head = Buffer.from(fields)
  if (member.zip64) for (const at of [14, 18]) head.writeUInt32LE(FULL, at)
  const rest = [uint16(name.length), uint16(extra.length), Buffer.alloc(10), uint32(member.zip64 ? FULL : offset)]
  return Buffer.concat([uint32(CENTRAL), uint16(20), head, ...rest, name, extra])
}

function zip64(size: number, packed: number, offset: number): Buffer {
  return Buffer.concat([uint16(1), uint16(24), ...[size, packed, offset].map((value) => uint64(value))])
}

const number = (bytes: number, write: (buffer: Buffer) => void): Buffer => {
  const buffer = Buffer.alloc(bytes)
  write(buffer)
  return buffer
}
const uint16 = (value: number): Buffer => number(2, (buffer) => buffer.writeUInt16LE(value))
const uint32 = (value: number): Buffer => number(4, (buffer) => buffer.writeUInt32LE(value))
const uint64 = (value: number): Buffer => number(8, (buffer) => buffer.writeBigUInt64LE(BigInt(value)))
