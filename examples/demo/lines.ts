/** Labelled text lines, rendered at run time: words and numbers in several fonts, a little turned and noisy. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createCanvas, GlobalFonts, type SKRSContext2D } from '@napi-rs/canvas'
import { randomSource } from '../../src/engine/data/synthetic.ts'
import { encodeNpz } from '../../src/engine/data/write-npz.ts'
import { classesOf, HEIGHT, WIDTH } from './recogniser.ts'

const WORDS =
  `the quick brown fox jumps over lazy dogs while seven bright engines carry small parcels across northern rivers
  under morning light and every careful builder measures twice before cutting good wood into simple chairs or tables
  price weight order invoice total paid street number copper garden window silver market bridge signal paper`.split(
    /\s+/,
  )

const FONTS = ['DejaVuSans', 'DejaVuSans-Bold', 'DejaVuSerif', 'DejaVuSansMono', 'DejaVuSansCondensed-Oblique']
const LONGEST = 26
const PADDING = -1

/** `count` lines as an .npz: images x uint8 [count, 3, 48, 480] in BGR, labels int64 [count, 26] padded with −1. */
export function renderLines(count: number, seed: number): Buffer {
  registerFonts()
  const random = randomSource(seed)
  const texts = Array.from({ length: count }, () => makeText(random))
  const pixels = new Uint8Array(count * 3 * HEIGHT * WIDTH)
  for (const [i, text] of texts.entries()) pixels.set(renderLine(text, random), i * 3 * HEIGHT * WIDTH)
  const labels = texts.flatMap((text) => pad(classesOf(text)))
  return encodeNpz({
    x: { dtype: 'uint8', shape: [count, 3, HEIGHT, WIDTH], data: pixels },
    labels: { dtype: 'int64', shape: [count, LONGEST], data: BigInt64Array.from(labels.map(BigInt)) },
  })
}

const pad = (classes: readonly number[]): number[] => Array.from({ length: LONGEST }, (_, i) => classes[i] ?? PADDING)

function registerFonts(): void {
  const folder = join(dirname(createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json')), 'ttf')
  for (const font of FONTS) GlobalFonts.registerFromPath(join(folder, `${font}.ttf`), font)
}

type Random = () => number
const pick = <T>(items: readonly T[], random: Random): T => items[Math.floor(random() * items.length)]!

function makeText(random: Random): string {
  let text = makeWord(random)
  for (let next = makeWord(random); text.length + 1 + next.length <= LONGEST; next = makeWord(random))
    text += ` ${next}`
  return text
}

function makeWord(random: Random): string {
  const kind = random()
  if (kind < 0.15) return String(Math.floor(random() * 10_000))
  if (kind < 0.22) return `${Math.floor(random() * 100)}.${Math.floor(10 + random() * 89)}`
  const word = pick(WORDS, random)
  return kind < 0.4 ? word[0]!.toUpperCase() + word.slice(1) : word
}

/** One line as planes of blue, green and red. */
function renderLine(text: string, random: Random): Uint8Array {
  const canvas = createCanvas(WIDTH, HEIGHT)
  const context = canvas.getContext('2d')
  const paper = 200 + Math.floor(random() * 55)
  const ink = Math.floor(random() * 80)
  context.fillStyle = `rgb(${paper},${paper},${paper - 10})`
  context.fillRect(0, 0, WIDTH, HEIGHT)
  context.fillStyle = `rgb(${ink},${ink},${ink + 20})`
  drawText(context, text, random)
  return planes(context.getImageData(0, 0, WIDTH, HEIGHT).data, random)
}

function drawText(context: SKRSContext2D, text: string, random: Random): void {
  const font = pick(FONTS, random)
  const size = 24 + random() * 8
  context.font = `${size}px ${font}`
  const squeeze = Math.min(1, (WIDTH - 24) / context.measureText(text).width)
  context.translate(8 + random() * 8, HEIGHT / 2 + (random() - 0.5) * 4)
  context.rotate((random() - 0.5) * 0.025)
  context.scale(squeeze, 1)
  context.textBaseline = 'middle'
  context.fillText(text, 0, 0)
}

const NOISE = 24

/** RGBA pixels → BGR planes, with noise. */
function planes(rgba: Uint8ClampedArray, random: Random): Uint8Array {
  const size = HEIGHT * WIDTH
  const out = new Uint8ClampedArray(3 * size)
  for (let i = 0; i < size; i++) {
    const noise = (random() - 0.5) * NOISE
    for (let channel = 0; channel < 3; channel++) out[channel * size + i] = rgba[4 * i + 2 - channel]! + noise
  }
  return new Uint8Array(out.buffer)
}
