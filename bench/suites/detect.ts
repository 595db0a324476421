/** A detector in float and in integers: average precision on COCO images. `node dist/bench/suites/detect.js` writes bench/results/DETECT.md. */
import { openDataset } from '../../src/engine/data/dataset.ts'
import { openRuntime } from '../../src/engine/runtime/ort.ts'
import { averagePrecision } from '../lib/average-precision.ts'
import { detectionsOf, truths } from '../lib/detector.ts'
import { imageNames } from '../lib/images.ts'
import { withJob } from '../lib/job.ts'
import { fileOf } from '../lib/models.ts'
import { writeResult } from '../lib/results.ts'
import { dataOf, subjectOf } from '../lib/subjects.ts'

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

const points = (number: number): string => number.toFixed(2)

async function main(): Promise<void> {
  const detector = subjectOf('fastestdet-coco')
  const [calibration, evaluation] = [await dataOf(detector, 'calibration'), await dataOf(detector, 'evaluation')]
  const names = await imageNames(fileOf(detector.name, 'evaluation.zip'))
  const float = await precisionOf(detector.model, evaluation, names)
  const rows = [
    `| float, as stated with the data | | ${points(STATED.ap50)} | ${points(STATED.ap50to95)} | | | |`,
    `| float, as measured here | | ${points(float.ap50)} | ${points(float.ap50to95)} | | | |`,
  ]
  for (const { name, target, method } of METHODS) {
    const job = {
      model: detector.model,
      recipe: { target, method: { type: 'static', ...method } },
      data: { calibration },
      threads: THREADS,
    }
    const { ap50, ap50to95, coverage, fidelity } = await withJob(job, async ({ artifact, report }) => ({
      ...(await precisionOf(artifact, evaluation, names)),
      ...report.metrics,
    }))
    rows.push(
      `| ${[name, target, points(ap50), points(ap50to95), `${points(ap50 - float.ap50)} / ${points(ap50to95 - float.ap50to95)}`, `${coverage.nodes_quantized} of ${coverage.nodes}`, `${fidelity?.sqnr_db.toFixed(1)} dB`].join(' | ')} |`,
    )
    console.log(rows.at(-1))
  }
  const text = [
    '# A detector in integers',
    '',
    `Made by \`node dist/bench/suites/detect.js\`: FastestDet, static quantization calibrated on 28 images, average precision on ${names.length} COCO images.`,
    'The images are decoded and resized in Node here and by Pillow where the stated figures come from.',
    '',
    '| model | target | AP50 | AP50-95 | against float | nodes in integers | SQNR |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
  writeResult('DETECT.md', text)
  console.log(text)
}

await main()
