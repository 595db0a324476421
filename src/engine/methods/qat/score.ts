/** The loss as numbers, from outputs that were computed elsewhere: what the step minimizes, said again for the finished artifact. */
import type { RunTensor } from '../../runtime/runtime.ts'
import type { Label } from '../../verify/metrics/metric.ts'
import { numbers } from '../../verify/numbers.ts'
import type { LossTerm } from './losses.ts'

export interface Outputs {
  found: Readonly<Record<string, RunTensor>>
  teacher: Readonly<Record<string, RunTensor>>
  labels: readonly Label[] | null
  /** outputs that hold probabilities */
  probabilities: ReadonlySet<string>
}

/** Σ weight · term, and the part of it that compares with the float model; NaN where an output is not finite. */
export function lossOf(terms: readonly LossTerm[], outputs: Outputs): { loss: number; distance: number } {
  const values = terms.map((term) => term.weight * VALUES[term.kind](term as never, outputs))
  const sum = (some: readonly number[]) => some.reduce((total, value) => total + value, 0)
  return { loss: sum(values), distance: sum(values.filter((_, i) => terms[i]!.kind !== 'cross_entropy')) }
}

type ValueOf<K extends LossTerm['kind']> = (term: Extract<LossTerm, { kind: K }>, outputs: Outputs) => number

const VALUES: { [K in LossTerm['kind']]: ValueOf<K> } = {
  divergence: ({ output, temperature }, outputs) => {
    const rows = rowsOf(outputs.found[output]!, outputs.probabilities.has(output))
    const known = rowsOf(outputs.teacher[output]!, outputs.probabilities.has(output))
    const sum = rows.reduce((total, row, i) => total + divergence(known[i]!, row, temperature), 0)
    return (temperature ** 2 * sum) / rows.length
  },
  cross_entropy: ({ output }, outputs) => {
    const rows = rowsOf(outputs.found[output]!, outputs.probabilities.has(output))
    return rows.reduce((sum, row, i) => sum - logSoftmax(row, 1)[outputs.labels![i]![0]!]!, 0) / rows.length
  },
  squared_error: ({ output }, { found, teacher }) => {
    const [a, b] = [numbers(found[output]!), numbers(teacher[output]!)]
    let [error, power] = [0, 0]
    for (let i = 0; i < a.length; i++) {
      error += (a[i]! - b[i]!) ** 2
      power += b[i]! ** 2
    }
    return error / (power + TINY * a.length)
  },
}

const TINY = 1e-12
/** smaller ones are 0 in 8 bits, and a logarithm would make much of that */
const LEAST_PROBABILITY = 2 ** -10

/** Scores along the last axis; of probabilities their logarithms. */
function rowsOf(tensor: RunTensor, probabilities: boolean): number[][] {
  const values = numbers(tensor)
  const width = tensor.dims.at(-1) ?? 1
  return Array.from({ length: values.length / width }, (_, row) =>
    Array.from(values.subarray(row * width, (row + 1) * width), (x) =>
      probabilities ? Math.log(Math.max(x, LEAST_PROBABILITY)) : x,
    ),
  )
}

function logSoftmax(row: readonly number[], temperature: number): number[] {
  const softened = row.map((x) => x / temperature)
  const top = softened.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const log = top + Math.log(softened.reduce((sum, x) => sum + Math.exp(x - top), 0))
  return softened.map((x) => x - log)
}

function divergence(teacher: readonly number[], found: readonly number[], temperature: number): number {
  const [p, q] = [logSoftmax(teacher, temperature), logSoftmax(found, temperature)]
  return p.reduce((sum, x, i) => sum + Math.exp(x) * (x - q[i]!), 0)
}
