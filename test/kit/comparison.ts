/** Made tables of comparisons, where the right answer is known. */
import type { ComparisonRow, Verdict } from '../../src/contract/comparison.ts'
import type { Goals } from '../../src/contract/goals.ts'
import { type Entry, tableOf } from '../../src/engine/compare/rules/table.ts'
import type { SampleScores } from '../../src/engine/verify/sample-scores.ts'

export const SAMPLES = 2000
const RIGHT = 0.8
const FLOAT_BYTES = 100_000

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
}

interface Made {
  method: ComparisonRow['method']
  target?: string
  /** samples that only this model has right, and that only the float model has */
  won?: number
  lost?: number
  samples?: number
  speedup?: number | null
  ratio?: number
  seconds?: number
  violations?: number
}

export const floatEntry: Entry = {
  facts: {
    ...NOTHING,
    name: 'float',
    target: 'float',
    method: 'float',
    status: 'succeeded',
    accuracy: { metric: 'top1', value: RIGHT, drop: 0, ci95: [0, 0], samples: SAMPLES },
    size_bytes: FLOAT_BYTES,
    size_ratio: 1,
    latency_ms: { p50: 1, speedup: 1, on_target: true },
  },
  scores: null,
}

/** A row that succeeded. */
export function made(name: string, row: Made): Entry {
  const { won = 0, lost = 0, samples = SAMPLES, speedup = 2, ratio = 0.25, seconds = 1, violations = 0 } = row
  const drop = (lost - won) / samples
  return {
    facts: {
      ...NOTHING,
      name,
      target: row.target ?? 'cpu-int8',
      method: row.method,
      status: 'succeeded',
      accuracy: { metric: 'top1', value: RIGHT - drop, drop, ci95: [drop - 0.005, drop + 0.005], samples },
      size_bytes: Math.round(FLOAT_BYTES * ratio),
      size_ratio: ratio,
      latency_ms: { p50: 1 / (speedup ?? 1), speedup: speedup ?? 1, on_target: speedup !== null },
      cost: { seconds, peak_memory_bytes: null },
      conformance: { ok: violations === 0, violations },
    },
    scores: scoresOf(won, lost, samples),
  }
}

/** The float model has the first four fifths right; the last of them are lost, the first of the others won. */
function scoresOf(won: number, lost: number, samples: number): SampleScores {
  const right = Math.round(RIGHT * samples)
  const float = Array.from({ length: samples }, (_, i) => (i < right ? 1 : 0))
  const quantized = float.map((x, i) => (i >= right - lost && i < right + won ? 1 - x : x))
  return { quality: 'accuracy', measured_on: 'evaluation', float, quantized, weights: float.map(() => 1) }
}

export const failed = (name: string, method: ComparisonRow['method'], code: string, target = 'cpu-int8'): Entry => ({
  facts: { ...NOTHING, name, target, method, status: 'failed', error: { code, detail: 'It failed.', hint: null } },
  scores: null,
})

/** The verdict on these rows and the float model. */
export function verdictOf(entries: readonly Entry[], goals: Goals = {}): { verdict: Verdict; rows: ComparisonRow[] } {
  const { verdicts, rows } = tableOf([floatEntry, ...entries], goals)
  return { verdict: verdicts[0]!, rows }
}
