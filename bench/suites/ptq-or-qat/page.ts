/** The page on post-training quantization and training: every number and every sentence about a model comes from a comparison. */
import { cpus } from 'node:os'
import type { Comparison, ComparisonRow, PairedTest, Verdict } from '../../../src/contract/comparison.ts'
import { FORMS, TRIALS } from './trials.ts'

export interface Finding {
  model: string
  form: string
  comparison: Comparison
}

export function pageOf(findings: readonly Finding[]): string {
  const sorted = FORMS.flatMap((form) =>
    TRIALS.flatMap(({ name }) => findings.filter((one) => one.form === form.title && one.model === name)),
  )
  const gains = sorted.map(gainOf)
  const sections = FORMS.flatMap(({ title }) => sectionOf(sorted, title))
  return [INTRODUCTION, environment(), ...summaryOf(gains), ...sections].join('\n').replaceAll(/\n{3,}/g, '\n\n')
}

const INTRODUCTION = `# Post-training quantization or training?

\`FEWBIT_MODELS=… node dist/bench/suites/ptq-or-qat/main.js\` (after \`npm run build\`) writes this page; with \`bert 4-bit\` behind it, it renews a part. Each model
goes through \`compare\` of the library, which is what \`fewbit compare\` runs, for each form of integers: every method that makes sense, at its defaults. The
calibration data calibrates; \`train\` trains, or the calibration data where there is none (kws-dscnn and ocr-ppocrv4, without labels); other samples judge, the same ones for
every row. ocr-ppocrv4 is the model of the demo. A row that takes too long (10 minutes with ocr-ppocrv4, 20 with the others) ends with the best so far.

Verdicts and sentences are those of the comparison: rules over the numbers of its table, with a margin of one point. Differences are in points, positive where a row is
better, with the 95 % interval of a paired test. A speed stands only where this machine is what the target means. Layers that lose too much stay float, which shows in
the size.
`

const environment = (): string =>
  `Processor: ${cpus()[0]?.model.trim()}, 2 threads, shared with other work: seconds are rough.\n`

/** What training adds to the best row without it. */
interface Gain {
  finding: Finding
  verdict: Verdict | undefined
  trained: ComparisonRow | undefined
}

const gainOf = (finding: Finding): Gain => {
  const { verdicts, rows } = finding.comparison
  return { finding, verdict: verdicts[0], trained: rows.find(({ method }) => method === 'qat') }
}

const MEANINGS: Record<Verdict['verdict'], string> = {
  ptq_is_enough: 'post-training quantization is enough',
  qat_pays: 'training pays',
  stay_float: 'the float model stays',
  undecided: 'the samples do not decide',
}

function summaryOf(gains: readonly Gain[]): string[] {
  const verdicts = Object.keys(MEANINGS) as Verdict['verdict'][]
  return [
    '## In short\n',
    ...verdicts.flatMap((name) => {
      const such = gains.filter(({ verdict }) => verdict?.verdict === name)
      return such.length === 0
        ? []
        : [`- ${MEANINGS[name]} in ${such.length} of ${gains.length}: ${such.map(whose).join('; ')}`]
    }),
    `- ${wins(gains, 'better')}`,
    `- ${wins(gains, 'worse')}\n`,
    '| form | model | float | best without training | trained | trained − best (95 %) | cost | verdict |',
    '|---|---|---|---|---|---|---|---|',
    ...gains.map(summaryLine),
    '',
  ]
}

function wins(gains: readonly Gain[], outcome: 'better' | 'worse'): string {
  const such = gains.filter(({ trained }) => trained?.tests.post_training?.outcome === outcome)
  const what = `training is significantly ${outcome} than the best row without it in ${such.length} of ${gains.length}`
  return such.length === 0 ? what : `${what}: ${such.map(whose).join('; ')}`
}

const short = (form: string): string => form.replace(/ \(.*\)$/, '')
const whose = ({ finding: { model, form } }: Gain): string => `${model} at ${short(form)}`

function summaryLine({ finding: { form, model, comparison }, verdict, trained }: Gain): string {
  const test = trained?.tests.post_training
  const rival = test ? comparison.rows[test.row] : undefined
  return line([
    short(form),
    model,
    accuracyOf(comparison.rows[0]),
    rival ? `${accuracyOf(rival)} (${words(rival.name)})` : NOTHING,
    trained?.error?.code ?? accuracyOf(trained),
    test ? difference(test) : NOTHING,
    test?.cost_ratio ? `${rounded(test.cost_ratio)} ×` : NOTHING,
    words(verdict?.verdict ?? NOTHING),
  ])
}

function sectionOf(findings: readonly Finding[], form: string): string[] {
  const own = findings.filter((one) => one.form === form)
  return own.length === 0 ? [] : [`## ${form}\n`, ...own.flatMap(tableOf)]
}

const tableOf = ({ model, comparison }: Finding): string[] => [
  `### ${model}\n`,
  words(comparison.verdicts[0]?.text ?? ''),
  '',
  `| method | ${comparison.rows[0]?.accuracy?.metric ?? 'quality'} | against float (95 %) | against the next cheaper (95 %) | SQNR | size | speed | seconds | front |`,
  '|---|---|---|---|---|---|---|---|---|',
  ...comparison.rows.map((row) => line(cellsOf(row, comparison))),
  '',
]

const NOTHING = '–'

function cellsOf(row: ComparisonRow, { rows }: Comparison): string[] {
  const { name, status, tests, fidelity, size_ratio, latency_ms: latency, cost, pareto, error, warnings } = row
  if (status !== 'succeeded') return [words(name), error?.code ?? status, ...new Array<string>(7).fill(NOTHING)]
  const { float, cheaper } = tests
  return [
    `${words(name)}${warnings.includes('training_stopped') ? ' (stopped)' : ''}`,
    accuracyOf(row),
    float ? difference(float) : NOTHING,
    cheaper ? `${words(rows[cheaper.row]?.name ?? '')}: ${difference(cheaper)}` : NOTHING,
    fidelity ? `${fidelity.sqnr_db.toFixed(1).replace('-', MINUS)} dB` : NOTHING,
    size_ratio === null ? NOTHING : `${(100 * size_ratio).toFixed(0)} %`,
    latency?.on_target ? `${latency.speedup.toFixed(2)} ×` : NOTHING,
    cost ? rounded(cost.seconds) : NOTHING,
    pareto ? 'yes' : '',
  ]
}

const MINUS = '−'
const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
const words = (name: string): string => name.replaceAll('_', ' ')
const rounded = (figure: number): string => figure.toFixed(figure < 10 ? 1 : 0)
const accuracyOf = (row: ComparisonRow | undefined): string =>
  row?.accuracy ? `${(100 * row.accuracy.value).toFixed(2)} %` : NOTHING

/** In points, with its interval and what it means. */
function difference({ gain, ci95, outcome }: PairedTest): string {
  const range = ci95 ? ` (${ci95.map(points).join(' to ')})` : ''
  return `${points(gain)}${range}, ${outcome}`
}

function points(fraction: number): string {
  const text = Math.abs(100 * fraction).toFixed(2)
  return Number(text) === 0 ? '0.00' : `${fraction < 0 ? MINUS : '+'}${text}`
}
