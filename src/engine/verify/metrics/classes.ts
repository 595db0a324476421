/** Metrics of one class per sample. */
import { at } from '../../ir/list.ts'
import type { RunTensor } from '../../runtime/runtime.ts'
import { argmaxPerSample } from '../agreement.ts'
import { numbers } from '../numbers.ts'
import { type AdditiveMetric, corpus, type Label, type Score } from './metric.ts'

const hit = (correct: boolean): Score => ({ value: correct ? 1 : 0, weight: 1 })

export const top1: AdditiveMetric = {
  isError: false,
  score: (output, labels) => argmaxPerSample(output, labels.length).map((best, i) => hit(best === classOf(labels, i))),
}

export const top5: AdditiveMetric = {
  isError: false,
  score: (output, labels) => labels.map((_, i) => hit(isAmongBest(output, labels.length, i, classOf(labels, i), 5))),
}

const classOf = (labels: readonly Label[], i: number): number => at(at(labels, i), 0)

function isAmongBest(output: RunTensor, samples: number, sample: number, label: number, count: number): boolean {
  const values = numbers(output)
  const width = values.length / samples
  const row = values.subarray(sample * width, (sample + 1) * width)
  const own = row[label]
  return own !== undefined && [...row].filter((x) => x > own).length < count
}

/** What was right and what was said of a sample; `classes` of the output. */
interface Verdict {
  truth: number
  said: number
  classes: number
}

function verdicts(output: RunTensor, labels: readonly Label[]): Verdict[] {
  const classes = numbers(output).length / labels.length
  return argmaxPerSample(output, labels.length).map((said, i) => ({ truth: classOf(labels, i), said, classes }))
}

interface Counts {
  truth: Map<number, number>
  said: Map<number, number>
  right: Map<number, number>
}

function countsOf(items: readonly Verdict[]): Counts {
  const counts: Counts = { truth: new Map(), said: new Map(), right: new Map() }
  const count = (of: Map<number, number>, key: number) => of.set(key, (of.get(key) ?? 0) + 1)
  for (const { truth, said } of items) {
    count(counts.truth, truth)
    count(counts.said, said)
    if (truth === said) count(counts.right, truth)
  }
  return counts
}

/** Of class 1 where there are two, as GLUE counts it; the mean over classes that occur otherwise. Source: scikit-learn, f1_score (binary, macro). */
export const f1 = corpus<Verdict>({
  isError: false,
  items: verdicts,
  figure: (items) => {
    const { truth, said, right } = countsOf(items)
    const of = (name: number) => {
      const all = (truth.get(name) ?? 0) + (said.get(name) ?? 0)
      return all === 0 ? 0 : (2 * (right.get(name) ?? 0)) / all
    }
    if (items[0]?.classes === 2) return of(1)
    const names = [...new Set([...truth.keys(), ...said.keys()])]
    return names.reduce((sum, name) => sum + of(name), 0) / Math.max(names.length, 1)
  },
})

/** Matthews' correlation coefficient, for any number of classes. J. Gorodkin, Comput. Biol. Chem. 28 (2004), R_K. */
export const matthews = corpus<Verdict>({
  isError: false,
  items: verdicts,
  figure: (items) => {
    const { truth, said, right } = countsOf(items)
    const n = items.length
    const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0)
    const squares = (counts: Map<number, number>) => sum([...counts.values()].map((count) => count * count))
    const both = sum([...truth].map(([name, count]) => count * (said.get(name) ?? 0)))
    const spread = (n * n - squares(said)) * (n * n - squares(truth))
    return spread > 0 ? (sum(right.values()) * n - both) / Math.sqrt(spread) : 0
  },
})
