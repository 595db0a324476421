/** A .zip of images with labels.csv as an .npz, preprocessed as preprocess.json says. */
import { readFileSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { createCanvas, loadImage } from '@napi-rs/canvas'
import yauzl from 'yauzl'
import { encodeNpz } from '../src/engine/data/write-npz.ts'

interface Preprocess {
  /** length of the short side */
  resize: number
  /** size of the centre square */
  crop: number
  channelOrder: 'RGB' | 'BGR'
  scale: number
  mean: number[]
  std: number[]
}

/** Images of `archive` as float32 [n, 3, crop, crop] named `name`, with labels when the archive has them. */
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
  const names = [...files.keys()].filter((file) => /\.jpe?g$/i.test(file)).toSorted()
  const size = 3 * rules.crop ** 2
  const data = new Float32Array(names.length * size)
  for (const [i, file] of names.entries()) data.set(await pixelsOf(files.get(file)!, rules), i * size)
  const classes = BigInt64Array.from(names.map((file) => BigInt(labels.get(file) ?? -1)))
  return encodeNpz({
    [name]: { dtype: 'float32', shape: [names.length, 3, rules.crop, rules.crop], data },
    ...(labels.size > 0 && { labels: { dtype: 'int64' as const, shape: [names.length], data: classes } }),
  })
}

async function readZip(path: string): Promise<Map<string, Buffer>> {
  const zip = await yauzl.openPromise(path)
  const files = new Map<string, Buffer>()
  for await (const entry of zip.eachEntry())
    files.set(entry.fileName, await buffer(await zip.openReadStreamPromise(entry)))
  return files
}

async function pixelsOf(
  bytes: Buffer,
  { resize, crop, channelOrder, scale, mean, std }: Preprocess,
): Promise<Float32Array> {
  const image = await loadImage(bytes)
  const ratio = resize / Math.min(image.width, image.height)
  const [width, height] = [Math.round(image.width * ratio), Math.round(image.height * ratio)]
  const context = createCanvas(crop, crop).getContext('2d')
  context.imageSmoothingQuality = 'high'
  context.drawImage(image, -((width - crop) >> 1), -((height - crop) >> 1), width, height)
  const rgba = context.getImageData(0, 0, crop, crop).data
  return Float32Array.from({ length: 3 * crop ** 2 }, (_, at) => {
    const channel = Math.floor(at / crop ** 2)
    const source = channelOrder === 'BGR' ? 2 - channel : channel
    return (rgba[4 * (at % crop ** 2) + source]! * scale - mean[channel]!) / std[channel]!
  })
}
