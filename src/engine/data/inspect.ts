/** What a data set is, found out by streaming through it: flat memory, every byte and checksum seen, no array held. */
import { crc32 } from 'node:zlib'
import { FewbitError } from '../../shared/errors.ts'
import { bitsOf, type DType } from '../ir/dtype.ts'
import { toLittleEndian } from './layout.ts'
import { invalidArray } from './npy.ts'
import { type Member, openNpz } from './npz.ts'

export interface ArraySummary {
  name: string
  dtype: string
  shape: number[]
}

export interface DatasetSummary {
  samples: number
  arrays: ArraySummary[]
  labels: { dtype: string; shape: number[] } | null
}

const LABELS = 'labels'

/** Reads the .npz at `path` to its end. Throws dataset_* errors that name the array and the sample. */
export async function inspectNpz(path: string): Promise<DatasetSummary> {
  const archive = await openNpz(path)
  try {
    const arrays = archive.members.filter(({ name }) => name !== LABELS)
    const labels = archive.members.find(({ name }) => name === LABELS)
    const samples = countSamples(arrays)
    requireLabels(labels, samples)
    for (const member of archive.members) await readThrough(member)
    return { samples, arrays: arrays.map(summaryOf), labels: labels ? kindOf(labels) : null }
  } finally {
    archive.close()
  }
}

const kindOf = ({ header }: Member) => ({ dtype: header.dtype, shape: [...header.shape] })
const summaryOf = (member: Member): ArraySummary => ({ name: member.name, ...kindOf(member) })

/** All arrays have the same first axis, and something in it. */
function countSamples(arrays: readonly Member[]): number {
  const [first] = arrays
  if (!first) throw new FewbitError('dataset_array_invalid', 'the archive holds no array besides the labels')
  for (const { name, header } of arrays) {
    if (header.shape.length === 0)
      throw invalidArray(name, 'is a scalar', 'the first axis of every array counts the samples')
  }
  const samples = first.header.shape[0]!
  if (samples === 0) throw invalidArray(first.name, 'has no samples')
  const other = arrays.find(({ header }) => header.shape[0] !== samples)
  if (other) throw invalidArray(other.name, `has ${other.header.shape[0]} samples, "${first.name}" has ${samples}`)
  return samples
}

const NUMBER = /^(u?int|float)/
const MOST_AXES = 5

function requireLabels(labels: Member | undefined, samples: number): void {
  if (!labels) return
  const { dtype, shape } = labels.header
  const wrong = (detail: string) => new FewbitError('dataset_labels_invalid', `the array "labels" ${detail}`)
  if (!NUMBER.test(dtype)) throw wrong(`is ${dtype}; labels are integers (classes) or floats (figures, pictures)`)
  if (shape.length < 1 || shape.length > MOST_AXES)
    throw wrong(`has ${shape.length} axes; it needs one to ${MOST_AXES}, the first of which counts the samples`)
  if (shape[0] !== samples) throw wrong(`has ${shape[0]} entries for ${samples} samples`)
}

/** Sees every byte: the checksum holds and every float is finite. */
async function readThrough(member: Member): Promise<void> {
  const { name, header, crc32: declared } = member
  const width = bitsOf(header.dtype) / 8
  let crc = 0
  let skip = header.offset
  let seen = 0
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of member.chunks()) {
    crc = crc32(chunk, crc)
    const body = chunk.subarray(Math.min(skip, chunk.length))
    skip -= chunk.length - body.length
    const bytes = Buffer.concat([rest, body])
    const whole = bytes.length - (bytes.length % width)
    requireFinite(member, bytes.subarray(0, whole), seen)
    seen += whole / width
    rest = bytes.subarray(whole)
  }
  if (crc !== declared)
    throw new FewbitError('dataset_not_npz', `the checksum of "${name}" is wrong: the archive is damaged`)
}

/** The bits of the exponent, all of them set in NaN and infinity, and where in an element they lie. */
interface Exponent {
  words: typeof Uint16Array | typeof Uint32Array
  mask: number
  first: number
  step: number
}

const EXPONENTS: Partial<Record<DType, Exponent>> = {
  float16: { words: Uint16Array, mask: 0x7c00, first: 0, step: 1 },
  float32: { words: Uint32Array, mask: 0x7f800000, first: 0, step: 1 },
  float64: { words: Uint32Array, mask: 0x7ff00000, first: 1, step: 2 },
}

function firstNotFinite(bytes: Uint8Array, { words: Words, mask, first, step }: Exponent): number | null {
  const words = new Words(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length / Words.BYTES_PER_ELEMENT)
  for (let i = first; i < words.length; i += step) if ((words[i]! & mask) === mask) return (i - first) / step
  return null
}

/** `bytes` are whole elements in memory of their own, `before` of them came earlier. */
function requireFinite({ name, header }: Member, bytes: Buffer, before: number): void {
  const exponent = EXPONENTS[header.dtype]
  const at = exponent ? firstNotFinite(toLittleEndian(bytes, header), exponent) : null
  if (at === null) return
  const detail = `array "${name}" holds NaN or infinity in sample ${sampleOf(header, before + at)}`
  throw new FewbitError('dataset_not_finite', detail, { hint: 'leave the sample out, or check the preprocessing' })
}

function sampleOf({ shape, fortran }: Member['header'], index: number): number {
  const samples = shape[0] ?? 1
  return fortran ? index % samples : Math.floor((index * samples) / shape.reduce((a, b) => a * b, 1))
}
