/** What we promised against them, computed from the rows. */
import type { Compared, Row } from './compare.ts'

export interface Bar {
  what: string
  model: string
  figure: string
  met: boolean
}

const of = ({ rows }: Compared, side: Row['side'], setting: string): Row | undefined =>
  rows.find((row) => row.side === side && row.setting === setting)

/** timing on a shared machine is not known better than this */
const TIMING_NOISE = 0.05

export function barsOf(all: readonly Compared[]): Bar[] {
  return all.flatMap((compared) => [...accuracy(compared), ...latency(compared), ...costs(compared)])
}

function accuracy({ name, against }: Compared): Bar[] {
  if (!against) return []
  const { setting, difference, error } = against
  const figure = `${signed(difference)} ± ${(1.96 * error).toFixed(2)} points against ${setting}`
  return [{ what: 'accuracy not below their best', model: name, figure, met: difference >= -1.96 * error }]
}

function latency(compared: Compared): Bar[] {
  const own = of(compared, 'fewbit', 'auto')?.milliseconds
  const rivals = compared.rows.filter(({ side, setting }) => side === 'ort' && setting !== 'dynamic')
  const fastest = Math.min(...rivals.flatMap(({ milliseconds }) => milliseconds ?? []))
  if (!own || !Number.isFinite(fastest)) return []
  const ratio = own / fastest
  const figure = `${ratio.toFixed(2)} × their fastest`
  return [{ what: 'artifact as fast as theirs', model: compared.name, figure, met: ratio <= 1 + TIMING_NOISE }]
}

interface CostBar {
  what: string
  setting: string
  figure: 'seconds' | 'peakBytes'
  most: number
}

const COSTS: readonly CostBar[] = [
  { what: 'time of min/max at most 1/3', setting: 'minmax', figure: 'seconds', most: 1 / 3 },
  { what: 'memory of min/max at most 1/2', setting: 'minmax', figure: 'peakBytes', most: 1 / 2 },
  { what: 'memory of percentile at most 1/5', setting: 'percentile', figure: 'peakBytes', most: 1 / 5 },
  { what: 'memory of entropy at most 1/5', setting: 'entropy', figure: 'peakBytes', most: 1 / 5 },
]

const costs = (compared: Compared): Bar[] =>
  COSTS.flatMap(({ what, setting, figure, most }) => {
    const own = of(compared, 'fewbit', setting)?.[figure]
    const other = of(compared, 'ort', setting)?.[figure]
    if (!own || !other) return []
    return [{ what, model: compared.name, figure: `${(own / other).toFixed(2)} ×`, met: own / other <= most }]
  })

export const signed = (x: number): string => `${x < 0 ? '−' : '+'}${Math.abs(x).toFixed(2)}`
