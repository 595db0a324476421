/** The Pareto front of made tables. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { frontOf, type Worth } from '../../../src/engine/compare/rules/pareto.ts'

type Numbers = [quality: number | null, speedup: number | null, bytes: number | null]

const worth = ([quality, speedup, bytes]: Numbers, target = 'cpu-int8', isFloat = false): Worth => ({
  target,
  isFloat,
  quality,
  speedup,
  bytes,
})
const FLOAT = worth([0, 1, 400], 'float', true)
const front = (...rows: readonly Numbers[]) => frontOf([FLOAT, ...rows.map((row) => worth(row))])

describe('the Pareto front', () => {
  test('keeps what is best in something', () => {
    assert.deepEqual(front([-0.02, 3, 100], [-0.01, 2, 100], [-0.02, 2, 100]), [true, true, true, false])
  })

  test('a row that loses nothing beats the float model', () => {
    assert.deepEqual(front([0, 2, 100]), [false, true])
  })

  test('equal rows stand side by side', () => {
    assert.deepEqual(front([-0.01, 2, 100], [-0.01, 2, 100]), [true, true, true])
  })

  test('speeds that a machine cannot tell apart are the same', () => {
    assert.deepEqual(front([-0.01, 2.05, 100], [-0.005, 2, 100]), [true, false, true])
    assert.deepEqual(front([-0.01, 2.2, 100], [-0.005, 2, 100]), [true, true, true])
  })

  test('a chain of nearly equal speeds does not empty the front', () => {
    assert.deepEqual(front([0, 1.04, 400], [0, 1.08, 400], [0, 1.12, 400]), [false, false, true, true])
  })

  test('what failed is on no front and beats nothing', () => {
    assert.deepEqual(front([null, null, null], [-0.01, 2, 100]), [true, false, true])
  })

  test('artifacts for other hardware do not compete, whatever this machine runs does', () => {
    const npu = (quality: number) => worth([quality, null, 100], 'npu-qnn-htp')
    assert.deepEqual(frontOf([FLOAT, worth([0, 2, 90]), npu(-0.01), npu(-0.02)]), [false, true, true, false])
    assert.deepEqual(frontOf([FLOAT, worth([0, 2, 90]), worth([-0.01, 1, 100], 'cpu-int4')]), [false, true, false])
  })
})
