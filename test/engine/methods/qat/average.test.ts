/** Averaged numbers: still where the numbers stand still, calm where they jump, and forgetful of how training began. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { addToAverage } from '../../../../src/engine/methods/qat/average.ts'

const STEPS = 400

/** The average after every step of one number that starts at 0. */
function averages(numberAt: (step: number) => number): number[] {
  const average = [new Float32Array(1)]
  return Array.from({ length: STEPS }, (_, i) => {
    addToAverage(average, [Float32Array.of(numberAt(i + 1))], i + 1, STEPS)
    return average[0]![0]!
  })
}

describe('averaged numbers', () => {
  test('stand still with the numbers', () => {
    assert.ok(averages(() => 0).every((mean) => mean === 0))
  })

  test('jump less than the numbers do', () => {
    const late = averages((step) => (step % 2 === 0 ? 1 : -1)).slice(STEPS / 4)
    assert.ok(Math.max(...late.map(Math.abs)) < 0.1)
  })

  test('follow within a quarter of the training', () => {
    const found = averages((step) => (step > STEPS / 2 ? 1 : 0))
    assert.ok(found[(3 * STEPS) / 4 - 1]! > 0.95)
    assert.ok(found[STEPS / 2]! < 0.1)
  })

  test('every slot has its own', () => {
    const average = [new Float32Array(2), new Float32Array(1)]
    addToAverage(average, [Float32Array.of(1, 2), Float32Array.of(3)], 1, STEPS)
    const [[a, b], [c]] = average as unknown as [[number, number], [number]]
    assert.ok(a > 0 && Math.abs(b - 2 * a) < 1e-6 && Math.abs(c - 3 * a) < 1e-6)
  })
})
