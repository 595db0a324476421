/** How closely the quantized outputs follow the float outputs: SQNR, cosine, largest error, agreement of the argmax, each with what samples say of others. */
import { type Metrics, OUTPUT_KINDS } from '../../contract/report.ts'
import type { RunTensor } from '../runtime/runtime.ts'
import { createAgreementMeter } from './agreement.ts'
import { bootstrap, quantile } from './interval.ts'
import { createOutputMeter, type OutputMeter } from './output-meter.ts'
import type { Scores } from './sample-scores.ts'
import { addTally, cosine, decibels, noTally, type Tally } from './sums.ts'

type Fidelity = Omit<NonNullable<Metrics['fidelity']>, 'measured_on' | 'batch' | 'in_batches'>
type OutputFidelity = Fidelity['outputs'][number]
type OutputKind = OutputFidelity['kind']

export interface FidelityMeter {
  add(float: Record<string, RunTensor>, quantized: Record<string, RunTensor>, samples: number): void
  /** of the worst output that says something, in dB; null where nothing could be compared */
  sqnr(): number | null
  result(): Fidelity | null
  /** positions with the same class, or the SQNR of each sample where there are no classes or `numbers` count; null where nothing could be compared */
  scores(numbers: boolean): Scores | null
}

interface Judged {
  name: string
  kind: OutputKind
  meter: OutputMeter
}

/** Accumulates over samples with flat memory. `classAxis` knows the axis of an output's classes, or null. */
export function createFidelityMeter(
  outputNames: readonly string[],
  classAxis: (output: string) => number | null = () => null,
): FidelityMeter {
  const meters = new Map<string, OutputMeter>()
  const agreement = createAgreementMeter(classAxis)
  let seen = 0
  const judged = (): Judged[] => judge([...meters].filter(([, { total }]) => total.count > 0))
  return {
    add: (float, quantized, samples) => {
      seen += samples
      const compared = outputNames.flatMap((name) => {
        const [a, b] = [float[name], quantized[name]]
        return a && b && !Array.isArray(a.data) ? [{ name, a, b }] : []
      })
      for (const { name, a, b } of compared) {
        const meter = meters.get(name) ?? createOutputMeter()
        meters.set(name, meter)
        meter.add(a, b, samples)
      }
      const first = compared.find(({ a, b }) => isFloat(a) && isFloat(b))
      if (first) agreement.add(first.name, first.a, first.b, samples)
    },
    sqnr: () => {
      const outputs = telling(judged())
      return outputs.length === 0 ? null : Math.min(...outputs.map(({ kind, meter }) => SQNR[kind](meter.total)))
    },
    result: () => {
      const outputs = judged()
      return outputs.length === 0 ? null : { ...summarize(outputs, seen), ...agreement.result() }
    },
    scores: (numbers) => (numbers ? null : agreement.scores()) ?? decibelsOf(telling(judged())),
  }
}

const isFloat = ({ dtype }: RunTensor): boolean => ['float32', 'float16', 'float64'].includes(dtype)

/** an output so much smaller than the largest, root mean square, is what cancels out and float32 rounds */
const NEARLY_ZERO = 1e-6

function judge(meters: readonly (readonly [string, OutputMeter])[]): Judged[] {
  const power = ({ total: { signal, count } }: OutputMeter) => signal / count
  const most = Math.max(...meters.map(([, meter]) => (meter.isDiscrete() ? 0 : power(meter))))
  const kindOf = (meter: OutputMeter): OutputKind => {
    if (meter.isDiscrete()) return 'discrete'
    return power(meter) === 0 || power(meter) < NEARLY_ZERO ** 2 * most ? 'nearly_zero' : 'numbers'
  }
  return meters.map(([name, meter]) => ({ name, meter, kind: kindOf(meter) }))
}

/** The outputs that decide: numbers where there are any, else masks and whole numbers, else what is nearly zero. */
const telling = (outputs: readonly Judged[]): readonly Judged[] =>
  OUTPUT_KINDS.map((kind) => outputs.filter((output) => output.kind === kind)).find(({ length }) => length > 0) ?? []

/** An element of a mask either is the same or is not. */
const SQNR: Record<OutputKind, (tally: Tally) => number> = {
  numbers: decibels,
  discrete: ({ count, unequal }) => decibels({ signal: count, noise: unequal }),
  nearly_zero: decibels,
}

const COSINE: Record<OutputKind, (tally: Tally) => number> = {
  numbers: cosine,
  discrete: ({ count, unequal }) => 1 - unequal / Math.max(count, 1),
  nearly_zero: cosine,
}

function summarize(outputs: readonly Judged[], samples: number) {
  const deciding = telling(outputs)
  const rows = outputs.map(figuresOf)
  const worst = rows.filter((_, i) => deciding.includes(outputs[i]!))
  const least = (of: (row: OutputFidelity) => number) => Math.min(...worst.map(of))
  return {
    sqnr_db: least((row) => row.sqnr_db),
    sqnr_db_ci95: intervalOf(deciding, SQNR),
    sqnr_db_median: least((row) => row.sqnr_db_median),
    sqnr_db_p10: least((row) => row.sqnr_db_p10),
    cosine: least((row) => row.cosine),
    cosine_ci95: intervalOf(deciding, COSINE),
    samples,
    outputs: rows,
  }
}

/** Of the worst output for each sample; past 1024 samples of so many groups. */
function decibelsOf(outputs: readonly Judged[]): Scores | null {
  if (outputs.length === 0) return null
  const count = Math.min(...outputs.map(({ meter }) => meter.units.length))
  const worst = (i: number) => Math.min(...outputs.map(({ kind, meter }) => SQNR[kind](meter.units[i]!)))
  const quantized = Array.from({ length: count }, (_, i) => worst(i))
  return { quality: 'sqnr_db', float: null, quantized, weights: quantized.map(() => 1) }
}

function figuresOf(output: Judged): OutputFidelity {
  const { name, kind, meter } = output
  const bySample = Float64Array.from(meter.units, SQNR[kind]).sort()
  return {
    name,
    kind,
    sqnr_db: SQNR[kind](meter.total),
    sqnr_db_ci95: intervalOf([output], SQNR),
    sqnr_db_median: quantile(bySample, 1 / 2),
    sqnr_db_p10: quantile(bySample, 1 / 10),
    cosine: COSINE[kind](meter.total),
    max_abs_error: meter.largest(),
    equal: kind === 'discrete' ? COSINE.discrete(meter.total) : null,
  }
}

/** Of the least figure of some outputs, all resampled together; outputs that samples share a value of have no interval. */
function intervalOf(outputs: readonly Judged[], figures: Record<OutputKind, (tally: Tally) => number>) {
  const units = Math.min(...outputs.map(({ meter }) => meter.units.length))
  return bootstrap(units, (drawn) =>
    Math.min(...outputs.map(({ kind, meter }) => figures[kind](resampled(meter.units, drawn)))),
  )
}

function resampled(units: readonly Tally[], drawn: Int32Array): Tally {
  const sum = noTally()
  for (const i of drawn) addTally(sum, units[i]!)
  return sum
}
