/** A .zip of pictures: which there are, in which order, and what their labels are. */
import { openZip, type Packed, unusable } from '../zip.ts'
import { classesOf, type Labels, readLabels } from './labels.ts'

const MOST_IMAGE_BYTES = 64 * 1024 ** 2
const MOST_TABLE_BYTES = 64 * 1024 ** 2
/** pictures are compressed already */
const MOST_RATIO = 100

const PICTURE = /\.(jpe?g|png|webp|gif|tiff?|avif)$/i
const TABLE = 'labels.csv'

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

/** Reads the directory of the archive at `path`, and its labels. Throws dataset_array_invalid and dataset_labels_invalid. */
export async function openImageArchive(path: string): Promise<ImageArchive> {
  const { files, close } = await openZip(path, MOST_RATIO)
  try {
    const pictures = files
      .filter(({ name }) => PICTURE.test(name))
      .map(({ name, read }) => ({ name, read: () => read(MOST_IMAGE_BYTES) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
    if (pictures.length === 0)
      throw unusable(
        'the archive holds no pictures',
        'put .jpg, .png, .webp, .gif, .tif or .avif files into it, in folders by class or with a labels.csv',
      )
    return { pictures, labels: await labelsIn(files, pictures), close }
  } catch (error) {
    close()
    throw error
  }
}

async function labelsIn(files: readonly Packed[], pictures: readonly Picture[]): Promise<Labels | null> {
  const names = pictures.map(({ name }) => name)
  const table = files.find(({ name }) => name === TABLE || name.endsWith(`/${TABLE}`))
  return table ? readLabels((await table.read(MOST_TABLE_BYTES)).toString('utf8'), names) : classesOf(names)
}
