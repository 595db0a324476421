/** What each accuracy step of static quantization is worth, alone and in the search. `node dist/bench/steps.js` writes bench/STEPS.md. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Report } from '../src/contract/report.ts'
import { RunnerSpec } from '../src/contract/runner-protocol.ts'
import { quantizeSpec } from '../src/engine/spec.ts'
import { imagesToNpz } from './images.ts'
import { MODELS_ROOT } from './models.ts'

interface Subject {
  name: string
  images?: string
  spec?: object
}

const SUBJECTS: readonly Subject[] = [
  { name: 'mobilenetv2-cifar10', spec: { arrays: { input: { scale: 1 / 255 } } } },
  { name: 'squeezenet-imagenet', images: 'data_0' },
]

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

async function dataOf(folder: string, { name, images }: Subject, part: string): Promise<string> {
  const source = join(MODELS_ROOT, name)
  if (!images) return join(source, `${part}.npz`)
  const path = join(folder, `${name}-${part}.npz`)
  if (!existsSync(path))
    writeFileSync(path, await imagesToNpz(join(source, `${part}.zip`), join(source, 'preprocess.json'), images))
  return path
}

async function row(
  folder: string,
  subject: Subject,
  { target, name, method }: (typeof SETTINGS)[number],
): Promise<string> {
  const directory = mkdtempSync(join(folder, 'job-'))
  mkdirSync(join(directory, 'out'))
  const { spec = { arrays: {} } } = subject
  const [calibration, evaluation] = [
    await dataOf(folder, subject, 'calibration'),
    await dataOf(folder, subject, 'evaluation'),
  ]
  const job = RunnerSpec.parse({
    recipe: { target, method: { type: 'static', ...method }, evaluation: { metric: 'top1' } },
    model: join(MODELS_ROOT, subject.name, 'model.onnx'),
    calibration: { path: calibration, spec },
    evaluation: { path: evaluation, spec },
    output: 'out',
    threads: 2,
  })
  const home = process.cwd()
  process.chdir(directory)
  await quantizeSpec(job, { emit: () => {}, directory: '.' })
  process.chdir(home)
  const {
    metrics,
    search,
    target: id,
  } = Report.parse(JSON.parse(readFileSync(join(directory, 'out', 'report.json'), 'utf8')))
  rmSync(directory, { recursive: true })
  const { accuracy, fidelity } = metrics
  const percent = (share: number | null | undefined) => (share == null ? '' : `${(100 * share).toFixed(2)} %`)
  const kept = search.filter((step) => step.kept).map(({ step }) => step)
  return `| ${[subject.name, id, name, percent(accuracy?.quantized), percent(fidelity?.agreement), `${fidelity?.sqnr_db.toFixed(1)} dB`, kept.join('; ')].join(' | ')} |`
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'fewbit-steps-'))
  const rows: string[] = []
  for (const subject of SUBJECTS) {
    for (const setting of SETTINGS) {
      rows.push(await row(folder, subject, setting))
      console.log(rows.at(-1))
    }
  }
  rmSync(folder, { recursive: true })
  const text = [
    '# Accuracy steps',
    '',
    'Made by `node dist/bench/steps.js`: static quantization with 8-bit activations, verified on held-out samples. A step named `search` tries',
    'what may help and keeps what brings the outputs closer to the float model; the last column says what it kept. Agreement is the share of',
    'samples with the same answer as the float model.',
    '',
    '| model | target | steps | top-1 | agreement | SQNR | kept |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
  writeFileSync(join('bench', 'STEPS.md'), text)
}

if (existsSync(MODELS_ROOT)) await main()
else console.log('The shared models are not here.')
