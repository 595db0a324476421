/** When a trained artifact replaces the best one so far. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isBetter } from '../../../../src/engine/methods/qat/evaluate.ts'

const BY_LABELS = { isError: false, isLabelled: true, samples: 500 }
const FLOOR = { loss: 1, distance: 0.5, metric: 0.9 }
const BETTER = { loss: 0.9, distance: 0.4, metric: 0.9 }

describe('a trained artifact is better', () => {
  for (const [what, change, expected] of [
    ['with a smaller loss', {}, true],
    ['not with the same loss', { loss: 1 }, false],
    ['not with a loss that is no number', { loss: Number.NaN }, false],
    ['not further from the float model', { distance: 0.51 }, false],
    ['with three right answers fewer of 500, which is chance', { metric: 0.894 }, true],
    ['not with twenty right answers fewer of 500', { metric: 0.86 }, false],
  ] as const)
    test(what, () => assert.equal(isBetter(BY_LABELS, { ...BETTER, ...change }, FLOOR, FLOOR), expected))

  test('not with more errors, where errors are counted', () => {
    const byErrors = { ...BY_LABELS, isError: true }
    const floor = { ...FLOOR, metric: 0.1 }
    assert.ok(!isBetter(byErrors, { ...BETTER, metric: 0.14 }, floor, floor))
    assert.ok(isBetter(byErrors, { ...BETTER, metric: 0.05 }, floor, floor))
  })

  test('by the loss alone, where nobody knows the answers', () => {
    const unlabelled = { ...BY_LABELS, isLabelled: false }
    assert.ok(isBetter(unlabelled, { ...BETTER, metric: 0.5 }, FLOOR, FLOOR))
  })
})
