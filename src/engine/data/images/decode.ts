/** A picture to the bytes of one sample. Only ever called where models are loaded, too: pictures are as hostile. */
import type { Sharp } from 'sharp'
import { type ImageSteps, imageShape } from '../../../contract/images.ts'
import { messageOf } from '../../../shared/errors.ts'
import { unusable } from '../zip.ts'

const MOST_PIXELS = 100_000_000
const KERNELS = { nearest: 'nearest', bilinear: 'linear', bicubic: 'cubic', lanczos: 'lanczos3' } as const

export type Decode = (name: string, bytes: Buffer) => Promise<Uint8Array>

/** Decodes pictures for `steps`: bytes in the order of the layout. Throws dataset_array_invalid, naming the picture. */
export async function openDecoder(steps: ImageSteps): Promise<Decode> {
  const { default: sharp } = await import('sharp')
  sharp.concurrency(1)
  sharp.cache(false)
  return async (name, bytes) => {
    try {
      const picture = sharp(bytes, { limitInputPixels: MOST_PIXELS, failOn: 'error', sequentialRead: true })
      return arranged(await pixelsOf(picture, steps), steps)
    } catch (error) {
      throw unusable(
        `the picture "${name.slice(0, 200)}" cannot be used: ${messageOf(error).split('\n')[0]}`,
        undefined,
        error,
      )
    }
  }
}

/** Red, green and blue of the size that the model gets. */
async function pixelsOf(picture: Sharp, { resize, size, filter }: ImageSteps): Promise<Uint8Array> {
  const { width = 0, height = 0 } = await picture.metadata()
  const [h, w] = resizedTo(resize, height, width)
  if (h < size[0] || w < size[1])
    throw new Error(`it is ${h} by ${w} pixels, and [${size.join(', ')}] are cut out of it`)
  const resized =
    resize === null
      ? picture
      : picture.resize({ width: w, height: h, fit: 'fill', kernel: KERNELS[filter], fastShrinkOnLoad: false })
  const raw = await resized
    .toColourspace('srgb')
    .removeAlpha()
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
  return cropped(raw.data, raw.info.channels, [h, w], size)
}

/** torchvision's rule for the longer side: cut off, not rounded. */
function resizedTo(resize: ImageSteps['resize'], height: number, width: number): [number, number] {
  if (resize === null) return [height, width]
  if (typeof resize !== 'number') return [resize[0], resize[1]]
  const long = Math.trunc((resize * Math.max(height, width)) / Math.min(height, width))
  return height <= width ? [resize, long] : [long, resize]
}

/** The center, as torchvision rounds it; one channel becomes three. */
function cropped(
  data: Uint8Array,
  channels: number,
  [height, width]: readonly [number, number],
  [h, w]: readonly [number, number],
): Uint8Array {
  const [top, left] = [Math.round((height - h) / 2), Math.round((width - w) / 2)]
  const out = new Uint8Array(3 * h * w)
  for (let y = 0, at = 0; y < h; y++)
    for (let x = 0; x < w; x++, at += 3) {
      const from = ((y + top) * width + x + left) * channels
      for (let c = 0; c < 3; c++) out[at + c] = data[from + (channels < 3 ? 0 : c)]!
    }
  return out
}

function arranged(rgb: Uint8Array, steps: ImageSteps): Uint8Array {
  const { channels, layout } = steps
  const count = rgb.length / 3
  const out = new Uint8Array(imageShape(steps).reduce((a, b) => a * b, 1))
  if (channels === 'gray') for (let i = 0; i < count; i++) out[i] = luma(rgb, 3 * i)
  else
    for (let i = 0; i < count; i++)
      for (let c = 0; c < 3; c++) {
        const value = rgb[3 * i + (channels === 'rgb' ? c : 2 - c)]!
        out[layout === 'nchw' ? c * count + i : 3 * i + c] = value
      }
  return out
}

/** ITU-R 601, rounded as PIL does. */
const luma = (rgb: Uint8Array, at: number): number =>
  (rgb[at]! * 19595 + rgb[at + 1]! * 38470 + rgb[at + 2]! * 7471 + 0x8000) >> 16
