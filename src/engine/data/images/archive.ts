/** A .zip of pictures: which there are, in which order, and what their labels are. Names are keys, never paths. */
import { closeSync, fstatSync, openSync } from 'node:fs'
import type { Readable } from 'node:stream'
import yauzl from 'yauzl'
import { FewbitError, messageOf } from '../../../shared/errors.ts'
import { classesOf, type Labels, readLabels } from './labels.ts'

const MOST_ENTRIES = 500_000
const MOST_IMAGE_BYTES = 64 * 1024 ** 2
const MOST_TABLE_BYTES = 64 * 1024 ** 2
/** expanded bytes of a whole archive */
const MOST_BYTES = 64 * 1024 ** 3
/** pictures are compressed already */
const MOST_RATIO = 100

const PICTURE = /\.(jpe?g|png|webp|gif|tiff?|avif)$/i
const TABLE = 'labels.csv'
/** what systems and people leave in archives */
const JUNK = /(^|\/)(\.|__MACOSX\/|Thumbs\.db$)/

export interface Picture {
  name: string
  read(): Promise<Buffer>
}

export interface ImageArchive {
  /** in the order of their names */
  pictures: Picture[]
  /** a class per picture, or null */
  labels: Labels | null
  close(): void
}

export const notImages = (detail: string, hint?: string, cause?: unknown): FewbitError =>
  new FewbitError('dataset_array_invalid', detail, { ...(hint && { hint }), cause })

/** Reads the directory of the archive at `path`, and its labels. Throws dataset_array_invalid and dataset_labels_invalid. */
export async function openImageArchive(path: string): Promise<ImageArchive> {
  const fd = openSync(path, 'r')
  try {
    const zip = await yauzl.fromFdPromise(fd, { autoClose: false, lazyEntries: true })
    const entries = await entriesOf(zip, fstatSync(fd).size)
    const pictures = entries
      .filter(({ fileName }) => PICTURE.test(fileName))
      .map((entry) => ({ name: entry.fileName, read: () => readEntry(zip, entry, MOST_IMAGE_BYTES) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
    if (pictures.length === 0)
      throw notImages(
        'the archive holds no pictures',
        'put .jpg, .png, .webp, .gif, .tif or .avif files into it, in folders by class or with a labels.csv',
      )
    const names = pictures.map(({ name }) => name)
    const table = entries.find(({ fileName }) => fileName === TABLE || fileName.endsWith(`/${TABLE}`))
    const labels = table
      ? readLabels((await readEntry(zip, table, MOST_TABLE_BYTES)).toString('utf8'), names)
      : classesOf(names)
    return { pictures, labels, close: () => closeSync(fd) }
  } catch (error) {
    closeSync(fd)
    throw error instanceof FewbitError
      ? error
      : notImages(`the archive cannot be read: ${messageOf(error)}`, 'write it with zip', error)
  }
}

async function entriesOf(zip: yauzl.ZipFile, size: number): Promise<yauzl.Entry[]> {
  if (zip.entryCount > MOST_ENTRIES)
    throw notImages(`the archive has ${zip.entryCount} members; at most ${MOST_ENTRIES} are read`)
  const entries: yauzl.Entry[] = []
  let expanded = 0
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName.endsWith('/') || JUNK.test(entry.fileName)) continue
    expanded += entry.uncompressedSize
    entries.push(entry)
  }
  if (expanded > MOST_BYTES || expanded > MOST_RATIO * size)
    throw notImages(`the archive has ${size} bytes and would expand to ${expanded}`)
  return entries
}

async function readEntry(zip: yauzl.ZipFile, entry: yauzl.Entry, most: number): Promise<Buffer> {
  const name = entry.fileName.slice(0, 200)
  if (entry.uncompressedSize > most)
    throw notImages(`"${name}" has ${entry.uncompressedSize} bytes; at most ${most} are read`)
  if (entry.isEncrypted()) throw notImages(`"${name}" is encrypted`)
  try {
    const parts: Buffer[] = []
    for await (const part of (await zip.openReadStreamPromise(entry)) as Readable) parts.push(part)
    return Buffer.concat(parts)
  } catch (error) {
    throw notImages(`"${name}" is damaged: ${messageOf(error)}`, undefined, error)
  }
}
