/** Quantization-aware training on real models: float, post-training and trained, for three kinds of integers. Writes bench/QAT.md as it goes. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import type { Report } from '../src/contract/report.ts'
import { at } from '../src/engine/ir/list.ts'
import { MODELS_ROOT, modelsAreHere } from './models.ts'
import { runJob } from './qat-job.ts'

interface Subject {
  title: string
  folder: string
  method?: object
  /** the part of the data that evaluates */
  evaluation?: string
  /** how stored integers become floats */
  spec?: object
}

const pixels = { arrays: { input: { scale: 1 / 255 } } }
const SUBJECTS: readonly Subject[] = [
  { title: 'kws-dscnn, 99 samples without labels', folder: 'kws-dscnn' },
  { title: 'fashion-cnn', folder: 'fashion-cnn', spec: pixels },
  { title: 'fashion-cnn, distillation alone', folder: 'fashion-cnn', method: { loss: 'distillation' }, spec: pixels },
  { title: 'bert-tiny-sst2', folder: 'bert-tiny-sst2' },
  { title: 'bert-tiny-sst2, 1,821 other samples', folder: 'bert-tiny-sst2', evaluation: 'test' },
  { title: 'mobilenetv2-cifar10', folder: 'mobilenetv2-cifar10', spec: pixels },
]

const profile = (id: string, activation: object, weight: object) => ({
  id,
  activation: { dtype: 'uint8', symmetric: false, ...activation },
  weight: { dtype: 'int8', symmetric: true, ...weight },
})
const FORMATS: readonly (readonly [string, string | object])[] = [
  ['8-bit weights per channel, 8-bit activations', 'cpu-int8'],
  ['4-bit weights per channel, 8-bit activations', profile('w4a8', {}, { bits: 4, granularity: 'channel' })],
  [
    '8 bits, powers of two, one scale per tensor',
    profile('power-of-two', { dtype: 'int8', symmetric: true, scale: 'power_of_two' }, { scale: 'power_of_two' }),
  ],
]

interface Row {
  subject: string
  format: string
  float: number
  posttraining: number
  trained: number
  samples: number
  /** standard error of trained − float, of pairs of answers */
  error?: number
  agreement: [number, number]
  sqnr: [number, number]
  training: NonNullable<Report['training']>
}

async function measure(
  { title, folder, method = {}, evaluation = 'evaluation', spec }: Subject,
  format: string,
  target: string | object,
): Promise<Row> {
  const file = (part: string) => join(MODELS_ROOT, folder, `${part}.npz`)
  const job = (how: object, train: boolean) =>
    runJob({
      model: join(MODELS_ROOT, folder, 'model.onnx'),
      recipe: { target, method: how, evaluation: { metric: 'top1' } },
      data: {
        calibration: file('calibration'),
        evaluation: file(evaluation),
        ...(train && existsSync(file('train')) && { training: file('train') }),
      },
      spec: spec ?? {},
    })
  const before = await job({ type: 'static' }, false)
  const after = await job({ type: 'qat', ...method }, true)
  const [a, b] = [before.metrics, after.metrics]
  return {
    subject: title,
    format,
    float: b.accuracy!.float,
    posttraining: a.accuracy!.quantized,
    trained: b.accuracy!.quantized,
    samples: b.accuracy!.samples,
    error: (at(b.accuracy!.ci95, 1) - at(b.accuracy!.ci95, 0)) / (2 * QUANTILE),
    agreement: [a.fidelity!.agreement!, b.fidelity!.agreement!],
    sqnr: [a.fidelity!.sqnr_db, b.fidelity!.sqnr_db],
    training: after.training!,
  }
}

/** of the normal distribution, for 95 % */
const QUANTILE = 1.96

const percent = (x: number) => `${(100 * x).toFixed(2)} %`

/** Share of what post-training quantization lost; a loss within half a point is no basis for one. */
function recovered({ float, posttraining, trained }: Row): string {
  const lost = float - posttraining
  return lost < 0.005 ? '–' : `${Math.round((100 * (trained - posttraining)) / lost)} %`
}

/** In points, with its standard error. */
function difference({ float, trained, error }: Row): string {
  const points = (100 * (trained - float)).toFixed(2).replace('-', '−')
  return error === undefined ? points : `${points} ± ${(100 * error).toFixed(2)}`
}

const line = (row: Row) =>
  `| ${[
    row.subject,
    percent(row.float),
    percent(row.posttraining),
    percent(row.trained),
    recovered(row),
    difference(row),
    row.agreement.map(percent).join(' → '),
    row.sqnr.map((db) => db.toFixed(1)).join(' → '),
    `${row.training.loss}, ${row.training.steps} × ${row.training.batch_size}`,
    row.training.kept === 'trained' ? 'yes' : 'no',
    `${Math.round(row.training.seconds)} s`,
  ].join(' | ')} |`

function render(rows: readonly Row[]): string {
  const tables = FORMATS.flatMap(([format]) => {
    const some = rows.filter((row) => row.format === format)
    return some.length === 0 ? [] : [`\n## ${format}\n`, HEAD, ...some.map(line)]
  })
  return `${INTRODUCTION}\nProcessor: ${cpus()[0]?.model.trim()}, 2 threads.\n${tables.join('\n')}\n`
}

const INTRODUCTION = `# Quantization-aware training

\`npm run build && node dist/bench/qat.js\` writes this file; \`node dist/bench/qat.js bert 4-bit\` renews a part of it. Accuracy is top-1 on the evaluation data, which neither calibrates nor trains.
Everything is at its default: the job names a target, the data and \`{"type": "qat"}\`. "recovered" is the share of what post-training
quantization (the method \`static\` at its default) lost that training won back, where it lost half a point or more. "trained − float" is in points,
± its standard error, from the samples that only one of the two gets right. "kept: no" means that no step of the training was better on the held-out training
samples than what it started from, which is then the result.
`
const HEAD = `| model | float | post-training | trained | recovered | trained − float | agreement with float | SQNR (dB) | training | kept | time |
|---|---|---|---|---|---|---|---|---|---|---|`

const KEPT = join('bench', '.cache', 'qat.json')

async function main(): Promise<void> {
  if (!modelsAreHere()) throw new Error('the models are not here')
  const [wanted = '', formats = ''] = process.argv.slice(2)
  mkdirSync(join('bench', '.cache'), { recursive: true })
  for (const subject of SUBJECTS) {
    for (const [format, target] of FORMATS) {
      if (!subject.title.includes(wanted) || !format.includes(formats)) continue
      const row = await measure(subject, format, target)
      // another run may have added some meanwhile
      const rows: Row[] = existsSync(KEPT) ? (JSON.parse(readFileSync(KEPT, 'utf8')) as Row[]) : []
      const at = rows.findIndex((old) => old.subject === row.subject && old.format === format)
      if (at >= 0) rows[at] = row
      else rows.push(row)
      console.log(line(row))
      writeFileSync(KEPT, `${JSON.stringify(rows.map(short))}\n`)
      writeFileSync(join('bench', 'QAT.md'), render(rows))
    }
  }
}

/** Without the curves. */
const short = (row: Row): Row => ({ ...row, training: { ...row.training, curve: [], judged: [] } })

await main()
