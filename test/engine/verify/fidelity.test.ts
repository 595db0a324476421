/** Outputs are judged for what they hold, and figures say how far those of other samples may lie. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { randomSource } from '../../../src/engine/data/synthetic.ts'
import type { DType } from '../../../src/engine/ir/dtype.ts'
import type { RunTensor } from '../../../src/engine/runtime/runtime.ts'
import { createFidelityMeter } from '../../../src/engine/verify/fidelity.ts'

const tensor = (data: readonly number[], dims: readonly number[], dtype: DType = 'float32'): RunTensor => ({
  dtype,
  dims,
  data: dtype === 'float32' ? Float32Array.from(data) : Uint8Array.from(data),
})

type Pairs = Record<string, readonly [float: RunTensor, quantized: RunTensor]>

function fidelityOf(outputs: Pairs, samples: number) {
  const meter = createFidelityMeter(Object.keys(outputs))
  const side = (at: 0 | 1) => Object.fromEntries(Object.entries(outputs).map(([name, pair]) => [name, pair[at]]))
  meter.add(side(0), side(1), samples)
  const found = meter.result()!
  assert.equal(found.sqnr_db, meter.sqnr())
  return found
}

const good = [tensor([1, 2, 3, 4], [2, 2]), tensor([1.1, 2, 3, 4], [2, 2])] as const

describe('what an output holds', () => {
  test('an output that cancels out decides nothing', () => {
    const nothing = [tensor([1e-8, -1e-8], [2, 1]), tensor([0.5, 0.5], [2, 1])] as const
    const found = fidelityOf({ good, nothing }, 2)
    assert.deepEqual(
      found.outputs.map(({ kind }) => kind),
      ['numbers', 'nearly_zero'],
    )
    assert.equal(found.sqnr_db, found.outputs[0]!.sqnr_db)
    assert.ok(found.sqnr_db > 30)
    assert.ok(Math.abs(found.outputs[1]!.max_abs_error - 0.5) < 1e-6)
  })

  test('small numbers that stand alone decide all the same', () => {
    const found = fidelityOf({ y: [tensor([1e-8, -1e-8], [2, 1]), tensor([1e-8, 0], [2, 1])] }, 2)
    assert.equal(found.outputs[0]!.kind, 'numbers')
    assert.ok(Math.abs(found.sqnr_db - 3) < 0.1)
  })

  test('masks are judged by elements that are the same', () => {
    const mask = [tensor([0, 1, 1, 0], [2, 2]), tensor([0.1, 0.9, 0.2, 0], [2, 2])] as const
    const found = fidelityOf({ good, mask }, 2)
    const { kind, equal } = found.outputs[1]!
    assert.deepEqual({ kind, equal }, { kind: 'discrete', equal: 0.75 })
    assert.ok(found.sqnr_db > 30)
  })

  test('where everything is a truth value, their share decides', () => {
    const ten = Array.from({ length: 10 }, (_, i) => i % 2)
    const found = fidelityOf({ y: [tensor(ten, [10], 'bool'), tensor([...ten.slice(0, 9), 0], [10], 'bool')] }, 10)
    assert.ok(Math.abs(found.sqnr_db - 10) < 1e-9)
    assert.equal(found.agreement, null)
  })

  test('results of other lengths are compared with nothing where one ends', () => {
    const found = fidelityOf({ y: [tensor([3, 4, 1], [3]), tensor([3, 4], [2])] }, 1)
    assert.ok(Math.abs(found.sqnr_db - 10 * Math.log10(26)) < 1e-6)
  })
})

describe('intervals', () => {
  /** samples of which some are ten times as hard as others */
  const population = (count: number) => {
    const random = randomSource(5)
    return Array.from({ length: count }, () => {
      const hard = random() < 0.2 ? 10 : 1
      return Array.from({ length: 8 }, () => {
        const x = 2 * random() - 1
        return [x, x + 0.02 * hard * (2 * random() - 1)] as const
      })
    })
  }
  const of = (samples: ReturnType<typeof population>) => {
    const side = (at: 0 | 1) =>
      tensor(
        samples.flatMap((row) => row.map((pair) => pair[at])),
        [samples.length, 8],
      )
    return fidelityOf({ y: [side(0), side(1)] }, samples.length)
  }

  test('of a few samples hold the figures of all of them', () => {
    const all = population(2000)
    const whole = of(all)
    const drawn = Array.from({ length: 25 }, (_, part) => of(all.slice(part * 80, (part + 1) * 80)))
    const holds = (interval: number[] | null, figure: number) => interval![0]! <= figure && figure <= interval![1]!
    assert.ok(drawn.filter(({ sqnr_db_ci95 }) => holds(sqnr_db_ci95, whole.sqnr_db)).length >= 21)
    assert.ok(drawn.filter(({ cosine_ci95 }) => holds(cosine_ci95, whole.cosine)).length >= 21)
    assert.ok(drawn.filter(({ agreement_ci95 }) => holds(agreement_ci95, whole.agreement!)).length >= 21)
    const [low, high] = whole.sqnr_db_ci95!
    assert.ok(high! - low! < 1.5 && low! < whole.sqnr_db && whole.sqnr_db < high!)
  })

  test('are the same every time, and absent where samples are too few', () => {
    const some = population(40)
    assert.deepEqual(of(some), of(some))
    assert.equal(of(some.slice(0, 4)).sqnr_db_ci95, null)
  })

  test('do not call certain what never failed', () => {
    const y = tensor(
      Array.from({ length: 40 }, (_, i) => i % 3),
      [20, 2],
    )
    const { agreement, agreement_ci95 } = fidelityOf({ y: [y, y] }, 20)
    assert.equal(agreement, 1)
    assert.ok(agreement_ci95![0]! < 0.9 && agreement_ci95![1]! > 0.999)
  })

  test('the median sample is unmoved by one that is ruined', () => {
    const some = population(41).map((row, i) => (i === 7 ? row.map(([x]) => [x, -x] as const) : row))
    const { sqnr_db, sqnr_db_median } = of(some)
    assert.ok(sqnr_db_median > sqnr_db + 10)
  })
})
