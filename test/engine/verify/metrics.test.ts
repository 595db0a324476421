/** Task metrics against what scikit-learn 1.9 and SciPy 1.17 gave for the same numbers, and their intervals. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { MetricName } from '../../../src/contract/recipe.ts'
import { randomSource } from '../../../src/engine/data/synthetic.ts'
import type { RunTensor } from '../../../src/engine/runtime/runtime.ts'
import { createAccuracyMeter } from '../../../src/engine/verify/accuracy.ts'

/** Park and Miller's generator, which the other side computed too. */
function numbers(seed: number, count: number): number[] {
  let state = seed * 7919
  return Array.from({ length: count }, () => {
    state = (state * 16807) % 2147483647
    return state / 2147483647
  })
}

const tensor = (dims: number[], values: readonly number[]): RunTensor => ({
  dtype: 'float64',
  dims,
  data: Float64Array.from(values),
})
const classes = (seed: number, count: number, kinds: number) => numbers(seed, count).map((x) => Math.floor(x * kinds))
const oneHot = (said: readonly number[], kinds: number) =>
  tensor(
    [said.length, kinds],
    said.flatMap((best) => Array.from({ length: kinds }, (_, i) => (i === best ? 1 : 0))),
  )

interface Case {
  output: RunTensor
  labels: number[][]
  wordSeparator?: number
}

function judge(metric: MetricName, { output, labels, wordSeparator }: Case, quantized = output) {
  const meter = createAccuracyMeter(metric, { classAxis: null, wordSeparator: wordSeparator ?? null })
  meter.add(output, quantized, labels.length, labels)
  return { ...meter.result()!, scores: meter.scores() }
}

const each = (values: readonly number[]): number[][] => values.map((value) => [value])

const truth = classes(1, 60, 4)
const chance = classes(3, 60, 4)
const said = numbers(2, 60).map((x, i) => (x < 0.6 ? truth[i]! : chance[i]!))
const four: Case = { output: oneHot(said, 4), labels: each(truth) }
const binaryTruth = classes(4, 50, 2)
const binary: Case = {
  output: oneHot(
    numbers(5, 50).map((x, i) => (x < 0.7 ? binaryTruth[i]! : 1 - binaryTruth[i]!)),
    2,
  ),
  labels: each(binaryTruth),
}
const figure = numbers(6, 40)
const rounded = (values: readonly number[], step: number) => values.map((x) => Math.round(x * step) / step)
const noise = numbers(7, 40)
const figures: Case = {
  output: tensor([40, 1], figure),
  labels: each(
    rounded(
      figure.map((x, i) => x + noise[i]!),
      5,
    ),
  ),
}
const vectors = numbers(8, 120).map((x) => x - 0.5)
const vector = (i: number) => vectors.slice(3 * i, 3 * i + 3)
const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
const likeness = Array.from({ length: 20 }, (_, i) => {
  const [a, b] = [vector(2 * i), vector(2 * i + 1)]
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
})
const scored = rounded(
  numbers(9, 20).map((x, i) => (likeness[i]! + 1) * 2 + x * 2),
  1,
)
const pairs: Case = { output: tensor([40, 3], vectors), labels: each(scored.flatMap((score) => [score, score])) }
const neighbors: Case = { output: tensor([40, 3], vectors), labels: each(classes(10, 40, 3)) }
const tokens = classes(12, 20, 6).map((token, i) => (i % 4 === 3 ? -1 : token))
const language: Case = {
  output: tensor(
    [4, 5, 6],
    numbers(11, 120).map((x) => x * 8 - 4),
  ),
  labels: Array.from({ length: 4 }, (_, i) => tokens.slice(5 * i, 5 * i + 5)),
}
const mask = classes(13, 128, 3)
const other = classes(15, 128, 3)
const seen = numbers(14, 128).map((x, i) => (x < 0.8 ? mask[i]! : other[i]!))
const ignored = numbers(16, 128).map((x) => x < 0.1)
const pixel = (sample: number, kind: number, i: number) => (seen[sample * 64 + i] === kind ? 1 : 0)
const pixels: Case = {
  output: tensor(
    [2, 3, 8, 8],
    [0, 1].flatMap((s) => [0, 1, 2].flatMap((kind) => Array.from({ length: 64 }, (_, i) => pixel(s, kind, i)))),
  ),
  labels: [0, 1].map((s) => mask.slice(64 * s, 64 * s + 64).map((kind, i) => (ignored[64 * s + i] ? 255 : kind))),
}
const picture = numbers(17, 54)
const blurred = numbers(18, 54).map((x, i) => Math.min(1, Math.max(0, picture[i]! + (x - 0.5) * 0.1)))
const pictures: Case = { output: tensor([2, 3, 3, 3], blurred), labels: [picture.slice(0, 27), picture.slice(27)] }

describe('metrics agree with other programs', () => {
  const cases: [MetricName, string, Case, number][] = [
    ['f1', 'macro over four classes', four, 0.6825815701774781],
    ['matthews', 'of four classes', four, 0.6174473060234121],
    ['f1', 'of class 1 of two', binary, 0.5],
    ['matthews', 'of two classes', binary, 0.21875],
    ['pearson', 'of figures', figures, 0.7766659419097685],
    ['spearman', 'of figures with ties', figures, 0.7517839239699999],
    ['pearson', 'of pairs of embeddings', pairs, 0.8622445040178482],
    ['spearman', 'of pairs of embeddings', pairs, 0.8596712647767754],
    ['nearest_neighbor', 'by cosine', neighbors, 0.2],
    ['perplexity', 'without padding', language, 19.641341219700386],
    ['miou', 'without ignored pixels', pixels, 0.7699074074074074],
    ['psnr', 'mean over pictures', pictures, 30.77655705435124],
  ]
  for (const [metric, what, one, expected] of cases)
    test(`${metric} ${what}`, () => {
      const { float, quantized, drop, ci95, samples } = judge(metric, one)
      assert.ok(Math.abs(float - expected) < 1e-9, `${float} instead of ${expected}`)
      assert.deepEqual([quantized, Math.abs(drop), ...ci95.map(Math.abs)], [float, 0, 0, 0])
      assert.equal(samples, one.labels.length)
    })

  test('wer counts words between separators', () => {
    // blank 0, separator 3: "1 2 | 1 | 2 2" read as "1 2 | 2 | 2 2"
    const path = [1, 2, 3, 2, 3, 2, 0, 2]
    const labels = [[1, 2, 3, 1, 3, 2, 2, -1]]
    const output = { ...oneHot(path, 4), dims: [1, 8, 4] }
    assert.equal(judge('wer', { output, labels, wordSeparator: 3 }).float, 1 / 3)
    assert.throws(() => judge('wer', { output, labels }), /which class stands between words/)
  })
})

describe('the interval of a drop', () => {
  /** Right with probability `share`, independently of `truth`. */
  function answers(random: () => number, truths: readonly number[], share: number): RunTensor {
    return oneHot(
      truths.map((kind) => (random() < share ? kind : (kind + 1 + Math.floor(random() * 2)) % 3)),
      3,
    )
  }

  for (const metric of ['f1', 'matthews'] as const)
    test(`of ${metric} holds the drop of the whole population about as often as it says`, () => {
      const random = randomSource(11)
      const draw = (count: number) => {
        const truths = Array.from({ length: count }, () => Math.floor(random() * 3))
        const one = { output: answers(random, truths, 0.9), labels: each(truths) }
        return judge(metric, one, answers(random, truths, 0.8))
      }
      const population = draw(40_000).drop
      const held = Array.from({ length: 60 }, () => draw(120).ci95).filter(
        ([low, high]) => low! <= population && population <= high!,
      )
      assert.ok(held.length >= 51, `${held.length} of 60`)
    })

  test('of a figure over all samples comes with scores of groups for paired tests', () => {
    const { scores, float } = judge('matthews', four)
    const mean = scores!.float!.reduce((sum, x) => sum + x, 0) / scores!.float!.length
    assert.equal(scores!.quality, 'accuracy')
    assert.ok(Math.abs(mean - float) < 0.02, `${mean}, ${float}`)
  })

  test('of perplexity is in its own unit', () => {
    const worse = tensor(
      [4, 5, 6],
      numbers(11, 120).map((x, i) => (x * 8 - 4) * (i % 2 === 0 ? 1.2 : 1)),
    )
    const { float, quantized, drop, ci95 } = judge('perplexity', language, worse)
    assert.ok(Math.abs(drop - (quantized - float)) < 1e-9)
    assert.ok(ci95[0]! < drop && drop < ci95[1]!)
  })
})
