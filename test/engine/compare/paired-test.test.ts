/** Paired tests against values computed by hand or exactly, with integers. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { pairedTest } from '../../../src/engine/compare/rules/paired-test.ts'
import { randomSource } from '../../../src/engine/data/synthetic.ts'

/** Right and wrong: `won` samples that only this model has right, `lost` that only the other one has. */
function rightOrWrong(won: number, lost: number, samples: number) {
  const own = Array.from({ length: samples }, (_, i) => (i < won ? 1 : i < won + lost ? 0 : i % 2))
  const other = own.map((x, i) => (i < won + lost ? 1 - x : x))
  return { own, other, weights: own.map(() => 1) }
}

const close = (actual: number, expected: number, within = 1e-9) =>
  assert.ok(Math.abs(actual - expected) <= within, `${actual} instead of ${expected}`)

describe('right and wrong', () => {
  // p: 2 · P(X ≤ k), X of n tosses, as fractions of integers; the interval by Agresti and Min's formula.
  const cases: readonly [number, number, number, number, [number, number]][] = [
    [10, 2, 100, 0.03857421875, [0.010840898691680381, 0.14602184640635885]],
    [60, 40, 2000, 0.05688793364098079, [0.00016070762905268966, 0.01981931235096729]],
    [0, 0, 1000, 1, [-0.0019560878243512973, 0.0019560878243512973]],
  ]
  for (const [won, lost, samples, p, [low, high]] of cases)
    test(`${won} won and ${lost} lost of ${samples}`, () => {
      const found = pairedTest(rightOrWrong(won, lost, samples), 0.01)
      assert.equal(found.test, 'mcnemar')
      close(found.gain, (won - lost) / samples)
      close(found.p_value, p)
      close(found.ci95![0]!, low)
      close(found.ci95![1]!, high)
    })

  test('thousands of samples that differ neither underflow nor overflow', () => {
    close(pairedTest(rightOrWrong(5100, 4900, 20_000), 0.01).p_value, 0.04658552770494739, 1e-6)
  })

  test('a change of sides changes the sign and nothing else', () => {
    const [a, b] = [pairedTest(rightOrWrong(30, 12, 400), 0.01), pairedTest(rightOrWrong(12, 30, 400), 0.01)]
    close(a.gain, -b.gain)
    close(a.p_value, b.p_value)
    close(a.ci95![0]!, -b.ci95![1]!)
    assert.deepEqual([a.outcome, b.outcome], ['better', 'worse'])
  })

  test('what is equal, what is unclear, and how many samples would tell', () => {
    const outcome = (won: number, lost: number, samples: number) => pairedTest(rightOrWrong(won, lost, samples), 0.01)
    assert.equal(outcome(3, 3, 2000).outcome, 'equal')
    assert.equal(outcome(3, 3, 2000).samples_needed, null)
    assert.equal(outcome(1, 2, 50).outcome, 'unclear')
    assert.ok(outcome(1, 2, 50).samples_needed! > 1000, 'a twentieth of a point per sample takes thousands')
    // No sample differs, and fifty of them say all the same nothing of a point.
    assert.equal(outcome(0, 0, 50).outcome, 'unclear')
  })

  test('fewer than five samples have no interval and say nothing', () => {
    const { ci95, outcome, samples_needed } = pairedTest(rightOrWrong(4, 0, 4), 0.01)
    assert.deepEqual({ ci95, outcome, samples_needed }, { ci95: null, outcome: 'unclear', samples_needed: null })
    assert.equal(pairedTest({ own: [], other: [], weights: [] }, 0.01).gain, 0)
  })
})

describe('other scores', () => {
  const pairsOf = (gains: readonly number[], weight = 1) => {
    const random = randomSource(5)
    const other = gains.map(() => -random())
    return { own: other.map((x, i) => x + gains[i]!), other, weights: gains.map(() => weight) }
  }

  test('one direction only: as rare as all coins alike', () => {
    const found = pairedTest(pairsOf(Array.from({ length: 8 }, () => 0.25)), 0.01)
    assert.equal(found.test, 'sign_flip')
    close(found.gain, 0.25)
    close(found.p_value, 2 / 2 ** 8, 0.006)
    assert.equal(found.outcome, 'better')
  })

  test('scores count by their weight, as characters of lines do', () => {
    const { gain, ci95 } = pairedTest(
      pairsOf(
        Array.from({ length: 40 }, (_, i) => (i % 2 ? 3 : 1)),
        20,
      ),
      0.01,
    )
    close(gain, 0.1)
    assert.ok(ci95![0]! < 0.1 && ci95![1]! > 0.1 && ci95![1]! - ci95![0]! < 0.05)
  })

  test('noise around nothing is no gain, and the same seed gives the same numbers', () => {
    const random = randomSource(9)
    const pairs = pairsOf(Array.from({ length: 300 }, () => random() - 0.5))
    const found = pairedTest(pairs, 0.001)
    assert.ok(found.p_value > 0.05)
    assert.equal(found.outcome, 'unclear')
    assert.deepEqual(pairedTest(pairs, 0.001), found)
  })

  test('two models that are the same differ by nothing', () => {
    const { gain, p_value, ci95, outcome } = pairedTest(pairsOf(Array.from({ length: 20 }, () => 0)), 0.01)
    assert.deepEqual({ gain, p_value, ci95, outcome }, { gain: 0, p_value: 1, ci95: [0, 0], outcome: 'equal' })
  })

  test('of many pairs without a difference about one in twenty is called significant', () => {
    const random = randomSource(1)
    const trials = Array.from({ length: 200 }, () =>
      pairedTest(pairsOf(Array.from({ length: 60 }, () => random() - 0.5)), 1e-9),
    )
    const called = trials.filter(({ outcome }) => outcome === 'better' || outcome === 'worse').length
    assert.ok(called >= 2 && called <= 22, `${called} of 200`)
  })
})
