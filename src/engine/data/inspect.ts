/** What a data set is, found out by streaming through it: flat memory, every byte and checksum seen, no array held. */
import { crc32 } from 'node:zlib'
import { FewbitError } from '../../shared/errors.ts'
import { bitsOf, type DType } from '../ir/dtype.ts'
import { viewAs } from './convert.ts'
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
    return { samples, arrays: arrays.map(summaryOf), labels: labels ? summaryOf(labels) : null }
  } finally {
    archive.close()
  }
}

const summaryOf = ({ name, header }: Member): ArraySummary => ({ name, dtype: header.dtype, shape: [...header.shape] })

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

const INTEGER = /^u?int/

function requireLabels(labels: Member | undefined, samples: number): void {
  if (!labels) return
  const { dtype, shape } = labels.header
  const wrong = (detail: string) => new FewbitError('dataset_labels_invalid', `the array "labels" ${detail}`)
  if (!INTEGER.test(dtype)) throw wrong(`is ${dtype}; classes are integers`)
  if (shape.length < 1 || shape.length > 2)
    throw wrong(`has ${shape.length} axes; it needs one (a class per sample) or two (a sequence per sample)`)
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
  for await (const chunk of await member.open()) {
    crc = crc32(chunk as Buffer, crc)
    const body = (chunk as Buffer).subarray(Math.min(skip, (chunk as Buffer).length))
    skip -= (chunk as Buffer).length - body.length
    const bytes = Buffer.concat([rest, body])
    const whole = bytes.length - (bytes.length % width)
    requireFinite(member, bytes.subarray(0, whole), seen)
    seen += whole / width
    rest = bytes.subarray(whole)
  }
  if (crc !== declared)
    throw new FewbitError('dataset_not_npz', `the checksum of "${name}" is wrong: the archive is damaged`)
}

const CHECKS: Partial<Record<DType, (elements: ArrayLike<number>) => number>> = {
  float16: (elements) => indexOf(elements, (bits) => (bits & 0x7c00) === 0x7c00),
  float32: (elements) => indexOf(elements, (value) => !Number.isFinite(value)),
  float64: (elements) => indexOf(elements, (value) => !Number.isFinite(value)),
}

function indexOf(elements: ArrayLike<number>, matches: (value: number) => boolean): number {
  for (let i = 0; i < elements.length; i++) if (matches(elements[i]!)) return i
  return -1
}

function requireFinite({ name, header }: Member, bytes: Buffer, before: number): void {
  const check = CHECKS[header.dtype]
  if (!check || bytes.length === 0) return
  const copy = header.bigEndian ? Uint8Array.from(bytes) : bytes
  const at = check(viewAs(toLittleEndian(copy, header), header.dtype) as ArrayLike<number>)
  if (at < 0) return
  const detail = `array "${name}" holds NaN or infinity${placeOf(header, before + at)}`
  throw new FewbitError('dataset_not_finite', detail, { hint: 'leave the sample out, or check the preprocessing' })
}

function placeOf({ shape, fortran }: Member['header'], index: number): string {
  if (fortran) return ''
  const perSample = shape.slice(1).reduce((a, b) => a * b, 1)
  return ` in sample ${Math.floor(index / perSample)}`
}
