/** A .zip of files that people packed: read with limits. Names are keys, never paths. */
import { closeSync, fstatSync, openSync } from 'node:fs'
import type { Readable } from 'node:stream'
import yauzl from 'yauzl'
import { FewbitError, messageOf } from '../../shared/errors.ts'

const MOST_ENTRIES = 500_000
/** expanded bytes of a whole archive */
const MOST_BYTES = 64 * 1024 ** 3
/** what systems and people leave in archives */
const JUNK = /(^|\/)(\.|__MACOSX\/|Thumbs\.db$)/

export interface Packed {
  name: string
  /** Throws dataset_array_invalid where it has more than `most` bytes or is damaged. */
  read(most: number): Promise<Buffer>
}

export interface OpenZip {
  /** without directories and junk */
  files: Packed[]
  close(): void
}

export const unusable = (detail: string, hint?: string, cause?: unknown): FewbitError =>
  new FewbitError('dataset_array_invalid', detail, { ...(hint && { hint }), cause })

/** `ratio`: how many times its size an archive may expand to. Throws dataset_array_invalid. */
export async function openZip(path: string, ratio: number): Promise<OpenZip> {
  const fd = openSync(path, 'r')
  try {
    const zip = await yauzl.fromFdPromise(fd, { autoClose: false, lazyEntries: true })
    const entries = await entriesOf(zip, fstatSync(fd).size, ratio)
    return {
      files: entries.map((entry) => ({ name: entry.fileName, read: (most) => readEntry(zip, entry, most) })),
      close: () => closeSync(fd),
    }
  } catch (error) {
    closeSync(fd)
    throw error instanceof FewbitError
      ? error
      : unusable(`the archive cannot be read: ${messageOf(error)}`, 'write it with zip', error)
  }
}

async function entriesOf(zip: yauzl.ZipFile, size: number, ratio: number): Promise<yauzl.Entry[]> {
  if (zip.entryCount > MOST_ENTRIES)
    throw unusable(`the archive has ${zip.entryCount} members; at most ${MOST_ENTRIES} are read`)
  const entries: yauzl.Entry[] = []
  let expanded = 0
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName.endsWith('/') || JUNK.test(entry.fileName)) continue
    expanded += entry.uncompressedSize
    entries.push(entry)
  }
  if (expanded > MOST_BYTES || expanded > ratio * size)
    throw unusable(`the archive has ${size} bytes and would expand to ${expanded}`)
  return entries
}

async function readEntry(zip: yauzl.ZipFile, entry: yauzl.Entry, most: number): Promise<Buffer> {
  const name = entry.fileName.slice(0, 200)
  if (entry.uncompressedSize > most)
    throw unusable(`"${name}" has ${entry.uncompressedSize} bytes; at most ${most} are read`)
  if (entry.isEncrypted()) throw unusable(`"${name}" is encrypted`)
  try {
    const parts: Buffer[] = []
    for await (const part of (await zip.openReadStreamPromise(entry)) as Readable) parts.push(part)
    return Buffer.concat(parts)
  } catch (error) {
    throw unusable(`"${name}" is damaged: ${messageOf(error)}`, undefined, error)
  }
}
