/** FastestDet on COCO images: from output tensors to boxes, and what is true of the images. */
import { readFileSync } from 'node:fs'
import { batchesOf, type Samples } from '../../src/engine/data/samples.ts'
import type { RunTensor, Session } from '../../src/engine/runtime/runtime.ts'
import { type Box, type Detection, suppress, type Truth } from './average-precision.ts'
import { fileOf } from './models.ts'

const LEAST_SCORE = 0.01
const OVERLAP = 0.45
const MOST = 100

interface Coco {
  images: { id: number; file_name: string; width: number; height: number }[]
  annotations: { image_id: number; category_id: number; bbox: [number, number, number, number]; iscrowd: number }[]
  categories: { id: number }[]
}

const coco = (): Coco => JSON.parse(readFileSync(fileOf('fastestdet-coco', 'instances.json'), 'utf8')) as Coco

/** Every box of the images, crowds left out. */
export function truths(): Truth[] {
  const { annotations, categories } = coco()
  const ids = categories.map(({ id }) => id).toSorted((a, b) => a - b)
  return annotations
    .filter(({ iscrowd }) => iscrowd === 0)
    .map(({ image_id: image, category_id, bbox: [x, y, w, h] }) => ({
      image,
      category: ids.indexOf(category_id),
      box: [x, y, x + w, y + h],
    }))
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

/** Boxes of one output [1, 85, h, w]: objectness, dx, dy, width, height, class probabilities. */
function decode({ data, dims }: RunTensor, image: Coco['images'][number]): Detection[] {
  const [, channels, rows, columns] = dims as [number, number, number, number]
  const values = data as Float32Array
  const found: Detection[] = []
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = (channel: number) => values[(channel * rows + row) * columns + column]!
      const classes = Array.from({ length: channels - 5 }, (_, c) => at(5 + c))
      const best = Math.max(...classes)
      const score = Math.max(at(0), 0) ** 0.6 * Math.max(best, 0) ** 0.4
      if (score < LEAST_SCORE) continue
      const [x, y] = [(Math.tanh(at(1)) + column) / columns, (Math.tanh(at(2)) + row) / rows]
      const [w, h] = [sigmoid(at(3)), sigmoid(at(4))]
      const box: Box = [
        (x - w / 2) * image.width,
        (y - h / 2) * image.height,
        (x + w / 2) * image.width,
        (y + h / 2) * image.height,
      ]
      found.push({ image: image.id, category: classes.indexOf(best), score, box })
    }
  }
  return suppress(found, OVERLAP, MOST)
}

/** What the model finds in the images of these names, one sample each. */
export async function detectionsOf(session: Session, samples: Samples, names: readonly string[]): Promise<Detection[]> {
  const byName = new Map(coco().images.map((image) => [image.file_name, image]))
  const found: Detection[] = []
  let index = 0
  for await (const { feeds } of batchesOf(samples, session.inputs, 1)) {
    const [output] = Object.values(await session.run(feeds))
    found.push(...decode(output!, byName.get(names[index++]!)!))
  }
  return found
}
