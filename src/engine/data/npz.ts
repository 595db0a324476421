/** The .npz format: a zip archive of .npy members, read with limits. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import type { Readable } from 'node:stream'
import yauzl from 'yauzl'
import { FewbitError, messageOf } from '../../shared/errors.ts'
import { byteLength } from '../ir/dtype.ts'
import { elementCount } from '../ir/tensor.ts'
import { HEADER_LIMIT, headerEnd, invalidArray, type NpyHeader, PREAMBLE, parseHeader } from './npy.ts'

const MEMBERS = 1000
/** expanded bytes of a whole archive */
const EXPANDED_BYTES = 16 * 1024 ** 3
/** an archive may expand this much before the ratio counts */
const UNSUSPICIOUS_BYTES = 128 * 1024 ** 2
const RATIO = 200
/** bytes of an array that has to be in memory as a whole, because it is compressed or column-major */
const WHOLE_BYTES = 4 * 1024 ** 3
const STORED = 0

export interface Member {
  /** without .npy */
  name: string
  header: NpyHeader
  /** bytes of the elements */
  size: number
  crc32: number
  /** where the elements lie in the file when they are not compressed; else null */
  stored: number | null
  /** the whole member, header included. Throws dataset_not_npz where it cannot be expanded */
  chunks(): AsyncIterable<Buffer>
}

export interface Archive {
  fd: number
  members: Member[]
  close(): void
}

function notNpz(detail: string, cause?: unknown): FewbitError {
  return new FewbitError('dataset_not_npz', detail, {
    hint: 'write it with numpy.savez or numpy.savez_compressed',
    cause,
  })
}

/** Opens an archive and reads the header of every member. Throws dataset_not_npz or dataset_array_invalid. */
export async function openNpz(path: string): Promise<Archive> {
  const fd = openSync(path, 'r')
  try {
    return { fd, members: await readMembers(fd), close: () => closeSync(fd) }
  } catch (error) {
    closeSync(fd)
    throw error instanceof FewbitError ? error : notNpz(`the archive cannot be read: ${messageOf(error)}`, error)
  }
}

async function readMembers(fd: number): Promise<Member[]> {
  const zip = await yauzl.fromFdPromise(fd, {
    autoClose: false,
    lazyEntries: true,
    // names are keys, never paths: `x:0` and `a/b` are inputs like others
    decodeStrings: false,
  })
  if (zip.entryCount > MEMBERS) throw notNpz(`the archive has ${zip.entryCount} members; at most ${MEMBERS} are read`)
  const entries: yauzl.Entry[] = []
  for await (const entry of zip.eachEntry()) entries.push(entry)
  limitExpansion(fd, entries)
  const members: Member[] = []
  for (const entry of entries) members.push(await readMember(zip, entry))
  const names = members.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) < i)
  if (twice !== undefined) throw notNpz(`the archive has two arrays "${twice}"`)
  if (members.length === 0) throw notNpz('the archive holds no arrays')
  return members
}

function limitExpansion(fd: number, entries: readonly yauzl.Entry[]): void {
  const expanded = entries.reduce((sum, { uncompressedSize }) => sum + uncompressedSize, 0)
  const { size } = fstatSync(fd)
  if (expanded > EXPANDED_BYTES || (expanded > UNSUSPICIOUS_BYTES && expanded > RATIO * size)) {
    throw notNpz(`the archive has ${size} bytes and would expand to ${expanded}`)
  }
}

async function readMember(zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<Member> {
  const fileName = entry.fileNameRaw.toString('utf8')
  const name = fileName.replace(/\.npy$/, '')
  if (name === fileName) throw notNpz(`the member "${fileName.slice(0, 200)}" is not a .npy array`)
  if (entry.isEncrypted()) throw notNpz(`the member "${name}" is encrypted`)
  if (!entry.canDecodeFileData())
    throw notNpz(`the member "${name}" is compressed with method ${entry.compressionMethod}`)
  const chunks = () => chunksOf(name, zip.openReadStreamPromise(entry))
  const header = parseHeader(name, await firstBytes(name, chunks()))
  const size = entry.uncompressedSize - header.offset
  const expected = byteLength(header.dtype, elementCount(header.shape))
  if (size !== expected) {
    throw invalidArray(
      name,
      `is ${header.dtype}[${header.shape.join(', ')}] and needs ${expected} bytes, the member holds ${size}`,
    )
  }
  const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true })
  const stored = entry.compressionMethod === STORED ? fileDataStart + header.offset : null
  if (stored === null || header.fortran) requireRoom(name, size)
  return { name, header, size, crc32: entry.crc32, stored, chunks }
}

function requireRoom(name: string, size: number): void {
  if (size <= WHOLE_BYTES) return
  throw invalidArray(
    name,
    `is compressed or in Fortran order and has ${size} bytes; at most ${WHOLE_BYTES} are expanded`,
    'write it with numpy.savez in C order, so that it can be read sample by sample',
  )
}

async function* chunksOf(name: string, opened: Promise<Readable>): AsyncGenerator<Buffer> {
  try {
    yield* (await opened) as AsyncIterable<Buffer>
  } catch (error) {
    throw notNpz(`the member "${name}" is damaged: ${messageOf(error)}`, error)
  }
}

/** Preamble and header; the rest is dropped. */
async function firstBytes(name: string, chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  let bytes: Buffer = Buffer.alloc(0)
  for await (const chunk of chunks) {
    bytes = Buffer.concat([bytes, chunk])
    if (bytes.length >= HEADER_LIMIT) break
    if (bytes.length >= PREAMBLE && bytes.length >= headerEnd(name, bytes)) break
  }
  if (bytes.length < headerEnd(name, bytes)) throw invalidArray(name, 'is cut off in its header')
  return bytes
}

/** The elements of a member as they lie in the file. */
export async function readElements(member: Member): Promise<Uint8Array> {
  const bytes = new Uint8Array(member.size)
  let at = -member.header.offset
  for await (const part of member.chunks()) {
    const skipped = Math.max(0, Math.min(part.length, -at))
    bytes.set(part.subarray(skipped), at + skipped)
    at += part.length
  }
  return bytes
}

/** A stretch of the elements of a stored member. */
export function readStored({ fd }: Archive, { stored, name }: Member, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let done = 0; done < length; ) {
    const got = readSync(fd, bytes, done, length - done, (stored ?? 0) + offset + done)
    if (got === 0) throw invalidArray(name, 'is cut off')
    done += got
  }
  return bytes
}
