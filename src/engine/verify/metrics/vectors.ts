/** Metrics of numbers and embeddings: correlation with what people say, and whether the nearest neighbour is of the same kind. */
import { at } from '../../ir/list.ts'
import type { RunTensor } from '../../runtime/runtime.ts'
import { numbers } from '../numbers.ts'
import { corpus, type Label } from './metric.ts'

type Vector = Float32Array | Float64Array

interface Embedded {
  vector: Vector
  label: number
}

/** Every sample's numbers, in memory of their own. */
function embedded(output: RunTensor, labels: readonly Label[]): Embedded[] {
  const values = numbers(output)
  const width = values.length / labels.length
  return labels.map((label, i) => ({ vector: values.slice(i * width, (i + 1) * width), label: at(label, 0) }))
}

/** What the model says and what the labels say: a number for each sample, or the likeness of each pair of neighbouring samples where outputs are embeddings. */
function pairsOf(items: readonly Embedded[]): { said: number[]; wanted: number[] } {
  if (items[0]?.vector.length === 1)
    return { said: items.map(({ vector }) => at(vector, 0)), wanted: items.map(({ label }) => label) }
  const firsts = items.filter((_, i) => i % 2 === 0 && i + 1 < items.length)
  return {
    said: firsts.map(({ vector }, i) => likeness(vector, at(items, 2 * i + 1).vector)),
    wanted: firsts.map(({ label }) => label),
  }
}

/** cosine */
function likeness(a: Vector, b: Vector): number {
  let [ab, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]!, b[i]!]
    ab += x * y
    aa += x * x
    bb += y * y
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 0
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / Math.max(values.length, 1)
  const [ma, mb] = [mean(a), mean(b)]
  let [ab, aa, bb] = [0, 0, 0]
  for (const [i, x] of a.entries()) {
    const y = at(b, i) - mb
    ab += (x - ma) * y
    aa += (x - ma) ** 2
    bb += y * y
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 0
}

/** From 1; equal numbers share the mean of their ranks. */
function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((i, j) => at(values, i) - at(values, j))
  const found = new Array<number>(values.length)
  for (let start = 0; start < order.length; ) {
    let end = start
    while (end < order.length && at(values, at(order, end)) === at(values, at(order, start))) end++
    for (let i = start; i < end; i++) found[at(order, i)] = (start + end + 1) / 2
    start = end
  }
  return found
}

/** Correlation of figures. */
export const pearson = corpus<Embedded>({
  isError: false,
  unit: 2,
  items: embedded,
  figure: (items) => {
    const { said, wanted } = pairsOf(items)
    return correlation(said, wanted)
  },
})

/** Correlation of ranks. */
export const spearman = corpus<Embedded>({
  isError: false,
  unit: 2,
  items: embedded,
  figure: (items) => {
    const { said, wanted } = pairsOf(items)
    return correlation(ranks(said), ranks(wanted))
  },
})

/** more would take minutes: every sample is compared with every other */
const MOST = 4000

/** Share of samples whose nearest other sample by cosine has their class; of the first 4000. */
export const nearestNeighbor = corpus<Embedded>({
  isError: false,
  items: embedded,
  figure: (items) => {
    const found = hits(items)
    return found.reduce((sum, hit) => sum + hit, 0) / Math.max(found.length, 1)
  },
  each: hits,
})

function hits(all: readonly Embedded[]): number[] {
  const items = all.slice(0, MOST)
  return items.map((item, i) => (nearest(items, item, i)?.label === item.label ? 1 : 0))
}

function nearest(items: readonly Embedded[], { vector }: Embedded, own: number): Embedded | undefined {
  let [best, closest]: [Embedded | undefined, number] = [undefined, Number.NEGATIVE_INFINITY]
  for (const [i, item] of items.entries()) {
    if (i === own) continue
    const close = likeness(vector, item.vector)
    if (close > closest) [best, closest] = [item, close]
  }
  return best
}
