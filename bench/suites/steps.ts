/** What each accuracy step of static quantization is worth, alone and in the search. `node dist/bench/suites/steps.js` writes bench/results/STEPS.md. */
import { runJob } from '../lib/job.ts'
import { writeResult } from '../lib/results.ts'
import { dataOf, type Subject, specOf, subjectOf } from '../lib/subjects.ts'

const MODELS = ['mobilenetv2-cifar10', 'squeezenet-imagenet']

/** 4-bit weights, where rounding matters most. */
const FOUR_BITS = {
  id: 'weights-4-bit',
  activation: { dtype: 'uint8', symmetric: false },
  weight: { dtype: 'int8', bits: 4, symmetric: true, granularity: 'channel' },
}
const COARSE = { observer: 'minmax', per_channel: false, equalize: false, bias_correction: false }
const FINE = { observer: 'minmax', equalize: false, bias_correction: false }

const SETTINGS: readonly { target: string | object; name: string; method: object }[] = [
  { target: 'cpu-int8', name: 'one scale per weight, nothing tried', method: COARSE },
  { target: 'cpu-int8', name: 'one scale per weight, equalized', method: { ...COARSE, equalize: true } },
  { target: 'cpu-int8', name: 'one scale per weight, biases corrected', method: { ...COARSE, bias_correction: true } },
  { target: 'cpu-int8', name: 'one scale per weight, adaptive rounding', method: { ...COARSE, adaround: true } },
  {
    target: 'cpu-int8',
    name: 'one scale per weight, all of them',
    method: { ...COARSE, equalize: true, bias_correction: true, adaround: true },
  },
  { target: 'cpu-int8', name: 'one scale per weight, search', method: { per_channel: false, adaround: 'auto' } },
  { target: 'cpu-int8', name: 'one scale per channel, search', method: {} },
  { target: FOUR_BITS, name: 'nothing tried', method: FINE },
  { target: FOUR_BITS, name: 'biases corrected', method: { ...FINE, bias_correction: true } },
  {
    target: FOUR_BITS,
    name: 'biases corrected, adaptive rounding',
    method: { ...FINE, bias_correction: true, adaround: true },
  },
]

async function row(subject: Subject, { target, name, method }: (typeof SETTINGS)[number]): Promise<string> {
  const [calibration, evaluation] = [await dataOf(subject, 'calibration'), await dataOf(subject, 'evaluation')]
  const report = await runJob({
    model: subject.model,
    recipe: { target, method: { type: 'static', ...method }, evaluation: { metric: 'top1' } },
    data: { calibration, evaluation },
    spec: specOf(subject),
  })
  const { metrics, search, target: id } = report
  const { accuracy, fidelity } = metrics
  const percent = (share: number | null | undefined) => (share == null ? '' : `${(100 * share).toFixed(2)} %`)
  const kept = search.filter((step) => step.kept).map(({ step }) => step)
  return `| ${[subject.name, id, name, percent(accuracy?.quantized), percent(fidelity?.agreement), `${fidelity?.sqnr_db.toFixed(1)} dB`, kept.join('; ')].join(' | ')} |`
}

async function main(): Promise<void> {
  const rows: string[] = []
  for (const subject of MODELS.map(subjectOf)) {
    for (const setting of SETTINGS) {
      rows.push(await row(subject, setting))
      console.log(rows.at(-1))
    }
  }
  const text = [
    '# Accuracy steps',
    '',
    'Made by `node dist/bench/suites/steps.js`: static quantization with 8-bit activations, verified on held-out samples. A step named `search` tries',
    'what may help and keeps what brings the outputs closer to the float model; the last column says what it kept. Agreement is the share of',
    'samples with the same answer as the float model.',
    '',
    '| model | target | steps | top-1 | agreement | SQNR | kept |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
  writeResult('STEPS.md', text)
}

await main()
