/** The .npy format: what an array's header says. Nothing in it is ever evaluated. Source: numpy.lib.format. */
import { FewbitError } from '../../shared/errors.ts'
import { byteLength, type DType } from '../ir/dtype.ts'

export interface NpyHeader {
  dtype: DType
  shape: readonly number[]
  /** elements lie in column-major order */
  fortran: boolean
  bigEndian: boolean
  /** bytes before the elements */
  offset: number
}

/** most bytes that a header may have */
export const HEADER_LIMIT = 65536
/** bytes that say how long the header is */
export const PREAMBLE = 12

const DTYPES: Readonly<Record<string, DType>> = {
  b1: 'bool',
  i1: 'int8',
  i2: 'int16',
  i4: 'int32',
  i8: 'int64',
  u1: 'uint8',
  u2: 'uint16',
  u4: 'uint32',
  u8: 'uint64',
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
}

export function invalidArray(name: string, detail: string, hint?: string): FewbitError {
  return new FewbitError('dataset_array_invalid', `array "${name.slice(0, 200)}" ${detail}`, hint ? { hint } : {})
}

/** Bytes of preamble and header; throws dataset_array_invalid for what is no .npy or has an absurd header. */
export function headerEnd(name: string, bytes: Buffer): number {
  if (bytes.length < 10 || bytes.toString('latin1', 0, 6) !== '\x93NUMPY')
    throw invalidArray(name, 'is not in .npy format')
  const version = bytes[6]!
  if (version < 1 || version > 3) throw invalidArray(name, `has the unknown .npy version ${version}`)
  if (version > 1 && bytes.length < PREAMBLE) throw invalidArray(name, 'is cut off')
  const end = version === 1 ? 10 + bytes.readUInt16LE(8) : PREAMBLE + bytes.readUInt32LE(8)
  if (end > HEADER_LIMIT) throw invalidArray(name, `has a header of ${end} bytes`)
  return end
}

/** Reads preamble and header, of which `bytes` holds at least `headerEnd`. */
export function parseHeader(name: string, bytes: Buffer): NpyHeader {
  const offset = headerEnd(name, bytes)
  const fields = fieldsOf(name, bytes.toString('latin1', bytes[6] === 1 ? 10 : PREAMBLE, offset))
  const bigEndian = fields.descr.startsWith('>')
  const dtype = DTYPES[fields.descr.slice(1)]
  if (!dtype || !'<>|='.includes(fields.descr[0] ?? ' ')) {
    throw invalidArray(
      name,
      `has the element type '${fields.descr}'`,
      `store it as one of ${Object.values(DTYPES).join(', ')}`,
    )
  }
  const shape = shapeOf(name, fields.shape)
  if (!Number.isSafeInteger(byteLength(dtype, shape.includes(0) ? 0 : shape.reduce((a, b) => a * b, 1)))) {
    throw invalidArray(name, `claims the shape [${shape.join(', ')}]`)
  }
  return { dtype, shape, fortran: fields.fortran, bigEndian: bigEndian && dtype !== 'bool', offset }
}

const PARTS = {
  descr: /'descr':\s*'([^']{1,20})'\s*,?/,
  fortran: /'fortran_order':\s*(True|False)\s*,?/,
  shape: /'shape':\s*\(([\d,\s]*)\)\s*,?/,
} as const

/** The three entries of the dictionary and nothing else. */
function fieldsOf(name: string, text: string) {
  const [descr, fortran, shape] = Object.values(PARTS).map((pattern) => pattern.exec(text)?.[1])
  const rest = Object.values(PARTS).reduce((left, pattern) => left.replace(pattern, ''), text)
  if (descr === undefined && /'descr':\s*\[/.test(text))
    throw invalidArray(name, 'has structured elements', 'store each field as an array of its own')
  if (descr === undefined || fortran === undefined || shape === undefined || !/^\s*\{\s*\}\s*$/.test(rest)) {
    throw invalidArray(name, 'has a header that cannot be read')
  }
  return { descr, fortran: fortran === 'True', shape }
}

function shapeOf(name: string, text: string): number[] {
  const dims = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
  if (dims.length > 32 || dims.some((dim) => !/^\d{1,15}$/.test(dim)))
    throw invalidArray(name, `claims the shape (${text.slice(0, 100)})`)
  return dims.map(Number)
}
