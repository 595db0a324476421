/** A detector in float and in integers: average precision on COCO images. `node dist/bench/detect.js` writes bench/DETECT.md. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Report } from '../src/contract/report.ts'
import { RunnerSpec } from '../src/contract/runner-protocol.ts'
import { openDataset } from '../src/engine/data/dataset.ts'
import { openRuntime } from '../src/engine/runtime/ort.ts'
import { quantizeSpec } from '../src/engine/spec.ts'
import { averagePrecision } from './average-precision.ts'
import { DETECTOR, DETECTOR_INPUT, detectionsOf, truths } from './detector.ts'
import { imageNames, imagesToNpz } from './images.ts'

const THREADS = 2

/** what the data set's README states for the float model, decoded and resized by Pillow */
const STATED = { ap50: 28.71, ap50to95: 15.88 }

const METHODS: readonly { name: string; target: string; method: object }[] = [
  { name: 'default', target: 'cpu-int8', method: {} },
  { name: 'minmax, nothing tried', target: 'cpu-int8', method: { observer: 'minmax', bias_correction: false } },
  { name: 'one scale per weight', target: 'cpu-int8', method: { per_channel: false } },
  { name: 'adaptive rounding', target: 'cpu-int8', method: { adaround: true } },
  { name: 'every operator', target: 'npu-openvino', method: {} },
]

async function precisionOf(model: string, evaluation: string, names: readonly string[]) {
  const session = await openRuntime(THREADS).load(model, { optimization: 'all' })
  const dataset = await openDataset(evaluation, { arrays: {} })
  const detections = await detectionsOf(session, { dataset, start: 0, count: dataset.samples }, names)
  await session.release()
  return averagePrecision(truths(), detections)
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
      model: join(DETECTOR, 'model.onnx'),
      calibration: { path: join(folder, 'calibration.npz'), spec: { arrays: {} } },
      output: 'out',
      threads: THREADS,
    })
    await quantizeSpec(spec, { emit: () => {}, directory: '.' })
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
      await imagesToNpz(join(DETECTOR, `${part}.zip`), join(DETECTOR, 'preprocess.json'), DETECTOR_INPUT),
    )
  const names = await imageNames(join(DETECTOR, 'evaluation.zip'))
  const evaluation = join(folder, 'evaluation.npz')
  const float = await precisionOf(join(DETECTOR, 'model.onnx'), evaluation, names)
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

if (existsSync(DETECTOR)) await main()
else console.log('The shared models are not here.')
