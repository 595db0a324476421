/** A .zip of images with labels.csv as an .npz, preprocessed as preprocess.json says. */
import { readFileSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { createCanvas, loadImage } from '@napi-rs/canvas'
import yauzl from 'yauzl'
import { encodeNpz } from '../../src/engine/data/write-npz.ts'

interface Preprocess {
  /** length of the short side, or width and height to stretch to; null: as they are */
  resize: number | readonly [number, number] | null
  /** size of the centre square; null: the whole */
  crop: number | null
  channelOrder: 'RGB' | 'BGR'
  scale: number
  mean: number[]
  std: number[]
}

/**
 * Images of `archive` as float32 [n, 3, height, width] named `name`, with labels when the archive has them: `classesOf` says what classes a
 * label stands for. Pictures that are neither scaled nor cut must be of one size.
 */
export async function imagesToNpz(
  archive: string,
  preprocess: string,
  name: string,
  classesOf: (label: string) => number[] = (label) => [Number(label)],
): Promise<Buffer> {
  const rules = JSON.parse(readFileSync(preprocess, 'utf8')) as Preprocess
  const files = await readZip(archive)
  const labels = labelsOf(files.get('labels.csv')?.toString() ?? '')
  const names = imagesIn(files)
  const { width, height } = await sizeFor(rules, files.get(names[0]!)!)
  const size = 3 * width * height
  const data = new Float32Array(names.length * size)
  for (const [i, file] of names.entries())
    data.set(await pixelsOf(files.get(file)!, { ...rules, resize: rules.resize ?? [width, height] }), i * size)
  const rows = names.map((file) => classesOf(labels.get(file) ?? '-1'))
  const longest = Math.max(...rows.map(({ length }) => length))
  const classes = rows.flatMap((row) => [...row, ...new Array<number>(longest - row.length).fill(-1)])
  const shape = longest === 1 ? [names.length] : [names.length, longest]
  return encodeNpz({
    [name]: { dtype: 'float32', shape: [names.length, 3, height, width], data },
    ...(labels.size > 0 && {
      labels: { dtype: 'int64' as const, shape, data: BigInt64Array.from(classes, BigInt) },
    }),
  })
}

/** File → label; a label with commas stands in quotes. */
const labelsOf = (csv: string): Map<string, string> =>
  new Map(
    csv
      .trim()
      .split(/\r?\n/)
      .slice(1)
      .map((line) => {
        const [, file, quoted, plain] = /^([^,]*),(?:"(.*)"|(.*))$/.exec(line) ?? []
        return [file ?? '', quoted?.replaceAll('""', '"') ?? plain ?? ''] as const
      }),
  )

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

/** Rules for pictures whose size is known. */
type Sized = Preprocess & { resize: NonNullable<Preprocess['resize']> }

async function sizeFor(rules: Preprocess, first: Buffer): Promise<{ width: number; height: number }> {
  const { resize } = rules
  if (resize !== null) return sizeOf({ ...rules, resize })
  const { width, height } = await loadImage(first)
  return { width, height }
}

/** Size of the prepared image. */
function sizeOf({ resize, crop }: Sized): { width: number; height: number } {
  if (crop !== null) return { width: crop, height: crop }
  const [width, height] = typeof resize === 'number' ? [resize, resize] : resize
  return { width, height }
}

/** Size of the whole picture before its centre is cut out. */
function scaledSize(image: { width: number; height: number }, resize: Sized['resize']) {
  if (typeof resize !== 'number') return { width: resize[0], height: resize[1] }
  const ratio = resize / Math.min(image.width, image.height)
  return { width: Math.round(image.width * ratio), height: Math.round(image.height * ratio) }
}

async function pixelsOf(bytes: Buffer, rules: Sized): Promise<Float32Array> {
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
