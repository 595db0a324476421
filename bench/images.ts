/** A .zip of images with labels.csv as an .npz, preprocessed as preprocess.json says. */
import { readFileSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { createCanvas, loadImage } from '@napi-rs/canvas'
import yauzl from 'yauzl'
import { encodeNpz } from '../src/engine/data/write-npz.ts'

interface Preprocess {
  /** length of the short side, or width and height to stretch to */
  resize: number | readonly [number, number]
  /** size of the centre square; null: the whole */
  crop: number | null
  channelOrder: 'RGB' | 'BGR'
  scale: number
  mean: number[]
  std: number[]
}

/** Images of `archive` as float32 [n, 3, height, width] named `name`, with labels when the archive has them. */
export async function imagesToNpz(archive: string, preprocess: string, name: string): Promise<Buffer> {
  const rules = JSON.parse(readFileSync(preprocess, 'utf8')) as Preprocess
  const files = await readZip(archive)
  const labels = new Map(
    (files.get('labels.csv')?.toString() ?? '')
      .trim()
      .split(/\r?\n/)
      .slice(1)
      .map((line) => line.split(',') as [string, string]),
  )
  const names = imagesIn(files)
  const { width, height } = sizeOf(rules)
  const size = 3 * width * height
  const data = new Float32Array(names.length * size)
  for (const [i, file] of names.entries()) data.set(await pixelsOf(files.get(file)!, rules), i * size)
  const classes = BigInt64Array.from(names.map((file) => BigInt(labels.get(file) ?? -1)))
  return encodeNpz({
    [name]: { dtype: 'float32', shape: [names.length, 3, height, width], data },
    ...(labels.size > 0 && { labels: { dtype: 'int64' as const, shape: [names.length], data: classes } }),
  })
}

const imagesIn = (files: ReadonlyMap<string, Buffer>): string[] =>
  [...files.keys()].filter((file) => /\.jpe?g$/i.test(file)).toSorted()

/** The files of the samples that `imagesToNpz` makes, in order. */
export const imageNames = async (archive: string): Promise<string[]> => imagesIn(await readZip(archive))

async function readZip(path: string): Promise<Map<string, Buffer>> {
  const zip = await yauzl.openPromise(path)
  const files = new Map<string, Buffer>()
  for await (const entry of zip.eachEntry())
    files.set(entry.fileName, await buffer(await zip.openReadStreamPromise(entry)))
  return files
}

/** Size of the prepared image. */
function sizeOf({ resize, crop }: Preprocess): { width: number; height: number } {
  if (crop !== null) return { width: crop, height: crop }
  const [width, height] = typeof resize === 'number' ? [resize, resize] : resize
  return { width, height }
}

/** Size of the whole picture before its centre is cut out. */
function scaledSize(image: { width: number; height: number }, resize: Preprocess['resize']) {
  if (typeof resize !== 'number') return { width: resize[0], height: resize[1] }
  const ratio = resize / Math.min(image.width, image.height)
  return { width: Math.round(image.width * ratio), height: Math.round(image.height * ratio) }
}

async function pixelsOf(bytes: Buffer, rules: Preprocess): Promise<Float32Array> {
  const { channelOrder, scale, mean, std } = rules
  const image = await loadImage(bytes)
  const { width, height } = sizeOf(rules)
  const scaled = scaledSize(image, rules.resize)
  const context = createCanvas(width, height).getContext('2d')
  context.imageSmoothingQuality = 'high'
  const [left, top] = [(scaled.width - width) >> 1, (scaled.height - height) >> 1]
  context.drawImage(image, -left, -top, scaled.width, scaled.height)
  const rgba = context.getImageData(0, 0, width, height).data
  const area = width * height
  return Float32Array.from({ length: 3 * area }, (_, at) => {
    const channel = Math.floor(at / area)
    const source = channelOrder === 'BGR' ? 2 - channel : channel
    return (rgba[4 * (at % area) + source]! * scale - mean[channel]!) / std[channel]!
  })
}
