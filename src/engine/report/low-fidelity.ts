/** The warning that outputs do not follow the float model closely enough to be used: by the metric where there is one, else by what the samples say. */
import { METRIC_FACTS } from '../../contract/metric.ts'
import type { Metrics, Warning } from '../../contract/report.ts'
import { type AdviceInput, adviceFor } from './advice.ts'

type Fidelity = NonNullable<Metrics['fidelity']>
type Accuracy = NonNullable<Metrics['accuracy']>

/** a point of the metric */
const LOST = 0.01
/** samples of which a metric that lost nothing is believed */
const ENOUGH_SAMPLES = 100
/** outputs whose error is larger are of little use */
const USELESS_DB = 8
/** recognisers, detectors and embedders have lost a point of their metrics below this */
const LOOSE_DB = 12
/** a tenth of the samples may not be worse than this */
const LEAST_TENTH_DB = 6
/** share of classes that change; more positions than samples make one of them cheap */
const LEAST_AGREEMENT = 0.9

export function lowFidelity(input: AdviceInput): Warning[] {
  const { fidelity, accuracy } = input.metrics
  const found = accuracy && byMetric(accuracy)
  if (accuracy && isLabelled(accuracy) && !found && accuracy.samples >= ENOUGH_SAMPLES) return []
  const detail = found || (fidelity && bySamples(fidelity))
  if (!detail) return []
  const advice = adviceFor(input)
  return [
    {
      code: 'low_fidelity',
      detail: `${detail}.${advice.length > 0 ? ` What could help here: ${advice.join('; ')}.` : ''}`,
    },
  ]
}

/** With labels a metric says what users lose; without, it is fidelity under another name. */
const isLabelled = ({ metric }: Accuracy): boolean =>
  METRIC_FACTS[metric].labelAxes !== null && METRIC_FACTS[metric].isShare

function byMetric(accuracy: Accuracy): string | null {
  const { metric, float, quantized, drop, ci95, samples } = accuracy
  if (!isLabelled(accuracy) || drop < LOST || (ci95[0] ?? 0) <= 0) return null
  const share = (x: number) => `${(100 * x).toFixed(1)} %`
  return `${metric} is ${share(quantized)} instead of the float model's ${share(float)} on ${samples} samples, and the difference is not chance (95 % between ${ci95.map(share).join(' and ')})`
}

function bySamples({
  sqnr_db,
  sqnr_db_median,
  sqnr_db_p10,
  agreement,
  agreement_ci95,
  agreement_over,
}: Fidelity): string | null {
  const db = (x: number) => `${x.toFixed(1)} dB`
  const samples = `the signal is ${db(sqnr_db)} above the error, ${db(sqnr_db_median)} for the median sample, less than ${db(sqnr_db_p10)} for a tenth of them`
  if (sqnr_db < USELESS_DB) return `the outputs hardly follow the float model: ${samples}`
  if (sqnr_db < LOOSE_DB || sqnr_db_p10 < LEAST_TENTH_DB)
    return `the outputs follow the float model loosely: ${samples}. Recognition, detection and comparison of embeddings lose accuracy here; an evaluation with labels tells how much`
  if (agreement === null || (agreement_ci95?.[1] ?? 1) >= LEAST_AGREEMENT) return null
  const over = agreement_over ? ` in output "${agreement_over.output}", axis ${agreement_over.axis}` : ''
  return `the largest class is another one in ${(100 * (1 - agreement)).toFixed(1)} % of the positions${over}`
}
