/** Observers as properties: what each may and may not do with the same histogram. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { addTo, createHistogram, expectedError } from '../../../src/engine/calibrate/histogram.ts'
import { errorOfRanges } from '../../../src/engine/calibrate/observers/expected.ts'
import { OBSERVERS } from '../../../src/engine/calibrate/observers/index.ts'
import type { Statistics } from '../../../src/engine/calibrate/observers/observer.ts'
import type { Range } from '../../../src/engine/calibrate/range.ts'
import { randomSource } from '../../../src/engine/data/synthetic.ts'

const LEVELS = { qtype: 'uint8', symmetric: false } as const

function statisticsOf(values: Float32Array): Statistics {
  const [min, max] = [Math.min(...values), Math.max(...values)]
  const histogram = createHistogram({ min, max })
  addTo(histogram, values)
  return { min, max, averageMin: min / 2, averageMax: max / 2, histogram }
}

const random = randomSource(3)
const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
const gaussian = Float32Array.from({ length: 50_000 }, normal)
const SHAPES: Record<string, Float32Array> = {
  gaussian,
  'behind a Relu': gaussian.map((x) => Math.max(x, 0)),
  'with outliers': gaussian.map((x, i) => (i % 25_000 === 7 ? 40 : x)),
  negative: gaussian.map((x) => -Math.abs(x)),
  'all equal': new Float32Array(1000).fill(3),
}
const errorOf = (statistics: Statistics, { min, max }: Range) =>
  expectedError(statistics.histogram!, { min: Math.min(min, 0), max: Math.max(max, 0) }, 255)

describe('every observer', () => {
  for (const [shape, values] of Object.entries(SHAPES)) {
    for (const observer of Object.values(OBSERVERS)) {
      test(`${observer.name} stays within what was seen: ${shape}`, () => {
        const statistics = statisticsOf(values)
        const { min, max } = observer.range(statistics, LEVELS)
        assert.ok(Number.isFinite(min) && Number.isFinite(max) && min <= max, `${min} … ${max}`)
        assert.ok(min >= Math.min(statistics.min, 0) - 1e-6 && max <= Math.max(statistics.max, 0) + 1e-6)
      })
    }
  }
})

test('mse never expects a larger error than min/max', () => {
  for (const [shape, values] of Object.entries(SHAPES)) {
    if (shape === 'all equal') continue
    const statistics = statisticsOf(values)
    const [found, whole] = [OBSERVERS.mse, OBSERVERS.minmax].map((observer) =>
      errorOf(statistics, observer.range(statistics, LEVELS)),
    )
    assert.ok(found! <= whole!, shape)
  }
})

test('percentile and entropy cut outliers off; percentile leaves the zero of a one-sided value alone', () => {
  const outliers = statisticsOf(SHAPES['with outliers']!)
  for (const observer of [OBSERVERS.percentile, OBSERVERS.entropy]) {
    assert.ok(observer.range(outliers, LEVELS).max < outliers.max / 2, observer.name)
  }
  assert.equal(OBSERVERS.percentile.range(statisticsOf(SHAPES['behind a Relu']!), LEVELS).min, 0)
})

test('a histogram counts every element once', () => {
  const { histogram } = statisticsOf(gaussian)
  assert.equal(
    histogram!.counts.reduce((a, b) => a + b, 0),
    gaussian.length,
  )
})

test('what a Relu leaves at 0 does not narrow the range of entropy', () => {
  const positive = gaussian.filter((x) => x > 0)
  const mostlyZero = Float32Array.from({ length: 4 * positive.length }, (_, i) => (i % 4 === 0 ? positive[i / 4]! : 0))
  const [alone, among] = [positive, mostlyZero].map((values) => OBSERVERS.entropy.range(statisticsOf(values), LEVELS))
  assert.ok(Math.abs(among!.max / alone!.max - 1) < 0.15, `${among!.max} against ${alone!.max}`)
})

test('large elements weigh in the expected error as their energy does', () => {
  const statistics = statisticsOf(gaussian.map((x, i) => (i % 500 === 7 ? 12 : x)))
  const weighted = errorOfRanges(statistics, LEVELS)
  const [whole, cut] = [
    { min: statistics.min, max: 12 },
    { min: statistics.min, max: 6 },
  ]
  const plain = errorOf(statistics, cut) / errorOf(statistics, whole)
  assert.ok(weighted(cut) / weighted(whole) > 5 * plain)
  assert.equal(errorOfRanges({ ...statistics, histogram: null }, LEVELS)(cut), 0)
})
