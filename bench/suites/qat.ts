/** Quantization-aware training on real models: float, post-training and trained, for three kinds of integers. Writes bench/results/QAT.md as it goes. */

import { cpus } from 'node:os'
import type { Report } from '../../src/contract/report.ts'
import { at } from '../../src/engine/ir/list.ts'
import { runJob } from '../lib/job.ts'
import { keep, readKept, writeResult } from '../lib/results.ts'
import { dataOf, hasPart, specOf, subjectOf } from '../lib/subjects.ts'

/** What is trained, on which data. */
interface Trial {
  title: string
  folder: string
  method?: object
  /** the part of the data that evaluates */
  evaluation?: string
}

const SUBJECTS: readonly Trial[] = [
  { title: 'kws-dscnn, 99 samples without labels', folder: 'kws-dscnn' },
  { title: 'fashion-cnn', folder: 'fashion-cnn' },
  { title: 'fashion-cnn, distillation alone', folder: 'fashion-cnn', method: { loss: 'distillation' } },
  { title: 'bert-tiny-sst2', folder: 'bert-tiny-sst2' },
  { title: 'bert-tiny-sst2, 1,821 other samples', folder: 'bert-tiny-sst2', evaluation: 'test' },
  { title: 'mobilenetv2-cifar10', folder: 'mobilenetv2-cifar10' },
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
  { title, folder, method = {}, evaluation = 'evaluation' }: Trial,
  format: string,
  target: string | object,
): Promise<Row> {
  const subject = subjectOf(folder)
  const [calibration, judging] = [await dataOf(subject, 'calibration'), await dataOf(subject, evaluation)]
  const training = hasPart(subject, 'train') ? await dataOf(subject, 'train') : undefined
  const job = (how: object, train: boolean) =>
    runJob({
      model: subject.model,
      recipe: { target, method: how, evaluation: { metric: 'top1' } },
      data: {
        calibration,
        evaluation: judging,
        ...(train && training !== undefined && { training }),
      },
      spec: specOf(subject),
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

\`npm run build && node dist/bench/suites/qat.js\` writes this file; \`node dist/bench/suites/qat.js bert 4-bit\` renews a part of it. Accuracy is top-1 on the evaluation data, which neither calibrates nor trains.
Everything is at its default: the job names a target, the data and \`{"type": "qat"}\`. "recovered" is the share of what post-training
quantization (the method \`static\` at its default) lost that training won back, where it lost half a point or more. "trained − float" is in points,
± its standard error, from the samples that only one of the two gets right. "kept: no" means that no step of the training was better on the held-out training
samples than what it started from, which is then the result.
`
const HEAD = `| model | float | post-training | trained | recovered | trained − float | agreement with float | SQNR (dB) | training | kept | time |
|---|---|---|---|---|---|---|---|---|---|---|`

const KEPT = 'qat.json'

async function main(): Promise<void> {
  const [wanted = '', formats = ''] = process.argv.slice(2)
  for (const subject of SUBJECTS) {
    for (const [format, target] of FORMATS) {
      if (!subject.title.includes(wanted) || !format.includes(formats)) continue
      const row = await measure(subject, format, target)
      // another run may have added some meanwhile
      const rows: Row[] = readKept<Row[]>(KEPT, [])
      const at = rows.findIndex((old) => old.subject === row.subject && old.format === format)
      if (at >= 0) rows[at] = row
      else rows.push(row)
      console.log(line(row))
      keep(KEPT, rows.map(short))
      writeResult('QAT.md', render(rows))
    }
  }
}

/** Without the curves. */
const short = (row: Row): Row => ({ ...row, training: { ...row.training, curve: [], judged: [] } })

await main()
