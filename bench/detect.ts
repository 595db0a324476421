/** A detector in float and in integers: average precision on COCO images. `node dist/bench/detect.js` writes bench/DETECT.md. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDataset } from '../src/engine/data/dataset.ts'
import { quantize } from '../src/engine/index.ts'
import { RunnerSpec } from '../src/engine/recipe.ts'
import { Report } from '../src/engine/report.ts'
import { openRuntime } from '../src/engine/runtime/ort.ts'
import type { RunTensor } from '../src/engine/runtime/runner.ts'
import { batchesOf } from '../src/engine/samples.ts'
import { averagePrecision, type Box, type Detection, suppress, type Truth } from './average-precision.ts'
import { imageNames, imagesToNpz } from './images.ts'
import { MODELS_ROOT } from './models.ts'

const FOLDER = join(MODELS_ROOT, 'fastestdet-coco')
const INPUT = 'input.1'
const THREADS = 2
const LEAST_SCORE = 0.01
const OVERLAP = 0.45
const MOST = 100

/** what the data set's README states for the float model, decoded and resized by Pillow */
const STATED = { ap50: 28.71, ap50to95: 15.88 }

const METHODS: readonly { name: string; target: string; method: object }[] = [
  { name: 'default', target: 'cpu-int8', method: {} },
  { name: 'minmax, nothing tried', target: 'cpu-int8', method: { observer: 'minmax', bias_correction: false } },
  { name: 'one scale per weight', target: 'cpu-int8', method: { per_channel: false } },
  { name: 'adaptive rounding', target: 'cpu-int8', method: { adaround: true } },
  { name: 'every operator', target: 'npu-openvino', method: {} },
]

interface Coco {
  images: { id: number; file_name: string; width: number; height: number }[]
  annotations: { image_id: number; category_id: number; bbox: [number, number, number, number]; iscrowd: number }[]
  categories: { id: number }[]
}

const coco = (): Coco => JSON.parse(readFileSync(join(FOLDER, 'instances.json'), 'utf8')) as Coco

function truthsOf({ annotations, categories }: Coco): Truth[] {
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

async function precisionOf(model: string, evaluation: string, names: readonly string[]) {
  const { images, ...truth } = coco()
  const byName = new Map(images.map((image) => [image.file_name, image]))
  const session = await openRuntime(THREADS).load(model, { optimization: 'all' })
  const dataset = await openDataset(evaluation, { arrays: {} })
  const detections: Detection[] = []
  let index = 0
  for await (const { feeds } of batchesOf({ dataset, start: 0, count: dataset.samples }, session.inputs, 1)) {
    const [output] = Object.values(await session.run(feeds))
    detections.push(...decode(output!, byName.get(names[index++]!)!))
  }
  await session.release()
  return averagePrecision(truthsOf({ images, ...truth }), detections)
}

/** Quantizes in a directory of its own; the artifact's path and its report. */
async function quantized(folder: string, target: string, method: object): Promise<{ path: string; report: Report }> {
  const directory = mkdtempSync(join(folder, 'job-'))
  mkdirSync(join(directory, 'out'))
  const home = process.cwd()
  process.chdir(directory)
  try {
    const spec = RunnerSpec.parse({
      recipe: { target, method: { type: 'static', ...method } },
      model: join(FOLDER, 'model.onnx'),
      calibration: { path: join(folder, 'calibration.npz'), spec: { arrays: {} } },
      output: 'out',
      threads: THREADS,
    })
    await quantize(spec, { emit: () => {}, now: () => performance.now(), machine: 'bench' })
    const report = Report.parse(JSON.parse(readFileSync(join('out', 'report.json'), 'utf8')))
    return { path: join(directory, 'out', 'model.onnx'), report }
  } finally {
    process.chdir(home)
  }
}

const points = (number: number): string => number.toFixed(2)

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'fewbit-detect-'))
  for (const part of ['calibration', 'evaluation'])
    writeFileSync(
      join(folder, `${part}.npz`),
      await imagesToNpz(join(FOLDER, `${part}.zip`), join(FOLDER, 'preprocess.json'), INPUT),
    )
  const names = await imageNames(join(FOLDER, 'evaluation.zip'))
  const evaluation = join(folder, 'evaluation.npz')
  const float = await precisionOf(join(FOLDER, 'model.onnx'), evaluation, names)
  const rows = [
    `| float, as stated with the data | | ${points(STATED.ap50)} | ${points(STATED.ap50to95)} | | | |`,
    `| float, as measured here | | ${points(float.ap50)} | ${points(float.ap50to95)} | | | |`,
  ]
  for (const { name, target, method } of METHODS) {
    const { path, report } = await quantized(folder, target, method)
    const { ap50, ap50to95 } = await precisionOf(path, evaluation, names)
    const { coverage, fidelity } = report.metrics
    rows.push(
      `| ${[name, target, points(ap50), points(ap50to95), `${points(ap50 - float.ap50)} / ${points(ap50to95 - float.ap50to95)}`, `${coverage.nodes_quantized} of ${coverage.nodes}`, `${fidelity?.sqnr_db.toFixed(1)} dB`].join(' | ')} |`,
    )
    console.log(rows.at(-1))
  }
  rmSync(folder, { recursive: true })
  const text = [
    '# A detector in integers',
    '',
    `Made by \`node dist/bench/detect.js\`: FastestDet, static quantization calibrated on 28 images, average precision on ${names.length} COCO images.`,
    'The images are decoded and resized in Node here and by Pillow where the stated figures come from.',
    '',
    '| model | target | AP50 | AP50-95 | against float | nodes in integers | SQNR |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
  writeFileSync(join('bench', 'DETECT.md'), text)
  console.log(text)
}

if (existsSync(FOLDER)) await main()
else console.log('The shared models are not here.')
