/** What a row says of itself, from the report of its quantization. */
import type { Metrics, Report } from '../../contract/report.ts'
import type { FewbitError } from '../../shared/errors.ts'
import { nameOf, targetOf } from '../targets/index.ts'
import { isTimedHere } from '../targets/target.ts'
import type { Candidate } from './candidate.ts'
import type { Facts } from './rules/table.ts'

/** Before it runs. */
export const waiting = ({ name, target, method }: Candidate): Facts => ({
  ...NOTHING,
  name,
  target: nameOf(target),
  method: method.type,
  status: 'queued',
})

const NOTHING = {
  accuracy: null,
  fidelity: null,
  size_bytes: null,
  size_ratio: null,
  latency_ms: null,
  cost: null,
  conformance: null,
  warnings: [],
  error: null,
} satisfies Partial<Facts>

export function succeeded(
  candidate: Candidate,
  { metrics, warnings }: Pick<Report, 'metrics' | 'warnings'>,
  cost: Facts['cost'],
): Facts {
  const { size_bytes: size, latency_ms: latency, target_conformance: conformance } = metrics
  return {
    ...waiting(candidate),
    status: 'succeeded',
    accuracy: accuracyOf(metrics),
    fidelity: fidelityOf(metrics),
    size_bytes: size.quantized,
    size_ratio: size.ratio,
    latency_ms: latency && {
      p50: latency.quantized.p50,
      speedup: latency.speedup,
      on_target: isTimedHere(targetOf(candidate.target)),
    },
    cost,
    conformance: { ok: conformance.ok, violations: conformance.violations.length },
    warnings: warnings.map(({ code }) => code),
  }
}

const accuracyOf = ({ accuracy }: Metrics): Facts['accuracy'] => {
  if (!accuracy) return null
  const { metric, quantized: value, drop, ci95, samples } = accuracy
  return { metric, value, drop, ci95, samples }
}

const fidelityOf = ({ fidelity }: Metrics): Facts['fidelity'] => {
  if (!fidelity) return null
  const { sqnr_db, cosine, agreement, samples, measured_on } = fidelity
  return { sqnr_db, cosine, agreement, samples, measured_on }
}

export const failed = (
  candidate: Candidate,
  { code, detail, hint }: Pick<FewbitError, 'code' | 'detail' | 'hint'>,
  cost: Facts['cost'],
): Facts => ({
  ...waiting(candidate),
  status: 'failed',
  cost,
  error: { code, detail, hint: hint ?? null },
})

/** The float model, as the first of the reports measured it; a row of its own, which nothing has to run. */
export function floatFacts(reports: readonly Pick<Report, 'metrics'>[]): Facts {
  const metrics = reports[0]?.metrics
  const [accuracy, latency] = [metrics?.accuracy, metrics?.latency_ms]
  return {
    ...NOTHING,
    name: 'float',
    target: 'float',
    method: 'float',
    status: metrics ? 'succeeded' : 'queued',
    accuracy: accuracy
      ? { metric: accuracy.metric, value: accuracy.float, drop: 0, ci95: [0, 0], samples: accuracy.samples }
      : null,
    size_bytes: metrics?.size_bytes.float ?? null,
    size_ratio: metrics ? 1 : null,
    latency_ms: latency ? { p50: latency.float.p50, speedup: 1, on_target: true } : null,
  }
}
