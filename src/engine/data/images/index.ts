/** Pictures as a data set: decoded once into a file of bytes, and scaled when they are read. */
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type ImageSpec, type ImageSteps, imageShape, imageSteps } from '../../../contract/images.ts'
import type { DatasetSpec } from '../../../contract/recipe.ts'
import type { Dataset } from '../dataset.ts'
import type { DatasetSummary } from '../inspect.ts'
import { type ImageArchive, openImageArchive } from './archive.ts'
import { openDecoder } from './decode.ts'
import type { Labels } from './labels.ts'

export interface Decoding {
  /** where the file of bytes may lie */
  scratch: string
  onDecoded?: (done: number, total: number) => void
}

/** What the archive holds, without looking into a picture. Throws dataset_*. */
export async function inspectImages(path: string, spec: ImageSpec): Promise<DatasetSummary> {
  const archive = await openImageArchive(path)
  archive.close()
  const steps = imageSteps(spec)
  const samples = archive.pictures.length
  return {
    samples,
    arrays: [{ name: steps.input, dtype: 'float32', shape: [samples, ...imageShape(steps)] }],
    labels: archive.labels && { dtype: 'int64', shape: [samples] },
  }
}

/** Decodes every picture. Throws dataset_* errors that name the picture. */
export async function openImages(
  path: string,
  spec: DatasetSpec & { images: ImageSpec },
  decoding: Decoding,
): Promise<Dataset> {
  const archive = await openImageArchive(path)
  const steps = imageSteps(spec.images)
  try {
    const pixels = await decodeAll(archive, steps, decoding)
    const samples = archive.pictures.length
    const shape = [samples, ...imageShape(steps)]
    return {
      samples,
      arrays: new Map([[steps.input, { dtype: 'float32', shape, slice: scaled(pixels, steps) }]]),
      spec,
      close: () => closeSync(pixels),
      ...(archive.labels && { labels: labelsOf(archive.labels) }),
    }
  } finally {
    archive.close()
  }
}

const labelsOf = (labels: Labels): Dataset['labels'] => ({
  dtype: 'int64',
  shape: [labels.length],
  value: (index) => labels[index] ?? -1,
})

/** Bytes of all samples, one after the other, in a file that has no name any more. */
async function decodeAll(
  { pictures }: ImageArchive,
  steps: ImageSteps,
  { scratch, onDecoded }: Decoding,
): Promise<number> {
  const decode = await openDecoder(steps)
  const file = join(scratch, `pictures-${process.hrtime.bigint()}`)
  const fd = openSync(file, 'wx+')
  rmSync(file)
  try {
    for (const [i, { name, read }] of pictures.entries()) {
      writeAll(fd, await decode(name, await read()))
      onDecoded?.(i + 1, pictures.length)
    }
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done)
}

/** Samples [start, start + count) as little-endian float32. */
function scaled(fd: number, steps: ImageSteps): (start: number, count: number) => Uint8Array {
  const { affine, layout } = steps
  const size = imageShape(steps).reduce((a, b) => a * b, 1)
  const channelOf =
    layout === 'nchw'
      ? (i: number) => Math.floor((i % size) / (size / affine.length))
      : (i: number) => i % affine.length
  return (start, count) => {
    const bytes = new Uint8Array(size * count)
    readAll(fd, bytes, start * size)
    const floats = Float32Array.from(bytes, (byte, i) => {
      const { scale, offset } = affine[channelOf(i)]!
      return byte * scale + offset
    })
    return new Uint8Array(floats.buffer)
  }
}

function readAll(fd: number, bytes: Uint8Array, from: number): void {
  for (let done = 0; done < bytes.length; ) {
    const got = readSync(fd, bytes, done, bytes.length - done, from + done)
    if (got === 0) throw new RangeError('samples that are not there')
    done += got
  }
}
