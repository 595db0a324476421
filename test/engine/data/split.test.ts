/** How samples are divided: every part comes from all of the data set, and what is judged has not calibrated. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Recipe } from '../../../src/contract/recipe.ts'
import type { Dataset } from '../../../src/engine/data/dataset.ts'
import { calibrationBatches, type Samples } from '../../../src/engine/data/samples.ts'
import { drawBatches, holdOutOfBatches, type JobData, JUDGING, splitSamples } from '../../../src/engine/data/split.ts'

/** Sample i holds the number i; `read` says which were read. */
function numbered(samples: number): Dataset & { read: Set<number> } {
  const read = new Set<number>()
  const slice = (start: number, count: number) => {
    const numbers = Array.from({ length: count }, (_, i) => start + i)
    for (const number of numbers) read.add(number)
    return new Uint8Array(Float32Array.from(numbers).buffer)
  }
  return {
    samples,
    arrays: new Map([['x', { dtype: 'float32', shape: [samples, 1], slice }]]),
    spec: { arrays: {} },
    close: () => {},
    read,
  }
}

const numbersIn = ({ dataset, start, count }: Samples): number[] => [
  ...new Float32Array(dataset.arrays.get('x')!.slice(start, count).slice().buffer),
]

const dataOf = (sizes: Partial<Record<keyof JobData, number>>): JobData => {
  const open = (size: number | undefined) => (size === undefined ? null : numbered(size))
  return { calibration: open(sizes.calibration), training: open(sizes.training), evaluation: open(sizes.evaluation) }
}
const split = (method: object, sizes: Partial<Record<keyof JobData, number>>, more: object = {}) =>
  splitSamples(dataOf(sizes), Recipe.parse({ target: 'cpu-int8', method, ...more }))

/** No tenth of `total` is without one. */
const coversAll = (numbers: readonly number[], total: number) =>
  assert.equal(new Set(numbers.map((number) => Math.floor((10 * number) / total))).size, 10, `${numbers}`)

const STATIC = { type: 'static' }

describe('samples of a job', () => {
  for (const method of [STATIC, { type: 'weight_only' }, { type: 'float16' }, { type: 'static', refine: true }])
    test(`${JSON.stringify(method)}: what verifies is drawn over all of the data and has not calibrated`, () => {
      const { calibration, verifying } = split(method, { calibration: 100 })
      const [calibrating, verified] = [numbersIn(calibration!), numbersIn(verifying!.samples)]
      coversAll(calibrating, 100)
      coversAll(verified, 100)
      assert.deepEqual([calibrating.length, verified.length, verifying!.measuredOn], [80, 20, 'held_out'])
      assert.equal(new Set([...calibrating, ...verified]).size, 100)
      assert.deepEqual([calibrating[0], calibrating.at(-1)], [0, 99], 'the ends of sorted data calibrate')
    })

  test('a large data set: the usual 128 calibrate and 64 verify, both from end to end', () => {
    const { calibration, verifying } = split(STATIC, { calibration: 5000 })
    const [calibrating, verified] = [numbersIn(calibration!), numbersIn(verifying!.samples)]
    assert.deepEqual([calibrating.length, verified.length], [128, 64])
    for (const numbers of [calibrating, verified]) coversAll(numbers, 5000)
    assert.equal(new Set([...calibrating, ...verified]).size, 192)
  })

  test('classes that take turns are all met', () => {
    const { verifying } = split(STATIC, { calibration: 640 })
    assert.ok(new Set(numbersIn(verifying!.samples).map((number) => number % 10)).size >= 8)
  })

  test('the seed decides which', () => {
    const drawn = (seed: number) => numbersIn(split(STATIC, { calibration: 100 }, { seed }).verifying!.samples)
    assert.deepEqual(drawn(1), drawn(1))
    assert.notDeepEqual(drawn(1), drawn(2))
  })

  test('evaluation data leaves the calibration data whole', () => {
    const { calibration, verifying } = split(STATIC, { calibration: 90, evaluation: 40 })
    assert.deepEqual([calibration!.count, verifying!.samples.count, verifying!.measuredOn], [90, 40, 'evaluation'])
    const some = split(STATIC, { calibration: 90, evaluation: 400 }, { evaluation: { metric: 'top1', samples: 50 } })
    coversAll(numbersIn(some.verifying!.samples), 400)
  })

  test('compat calibrates with all, as the peer does, and says on what its figures were measured', () => {
    const { calibration, verifying, warnings } = split({ type: 'static', compat: 'onnxruntime' }, { calibration: 300 })
    assert.deepEqual([calibration!.count, verifying!.measuredOn], [300, 'calibration'])
    assert.deepEqual(numbersIn(calibration!)[299], 299)
    assert.match(warnings[0]!.detail, /measured on samples that calibrated/)
  })

  test('dynamic calibrates nothing, so that all of its data may verify', () => {
    const { calibration, verifying, warnings } = split({ type: 'dynamic' }, { calibration: 50 })
    assert.deepEqual(
      [calibration, verifying!.samples.count, verifying!.measuredOn, warnings],
      [null, 50, 'held_out', []],
    )
  })

  test('too few samples calibrate and verify, and a warning says so', () => {
    const { calibration, verifying, warnings } = split(STATIC, { calibration: 4 })
    assert.deepEqual([calibration!.count, verifying!.samples.count, verifying!.measuredOn], [4, 4, 'calibration'])
    assert.equal(warnings[0]!.code, 'no_held_out_samples')
  })

  test('a training holds out from all of its data, and what it holds out has not calibrated either', () => {
    const { calibration, training, verifying } = split({ type: 'qat' }, { training: 200 })
    const [trains, judges] = [numbersIn(training!.samples), numbersIn(training!.heldOut)]
    coversAll(trains, 200)
    coversAll(judges, 200)
    assert.equal(new Set([...trains, ...judges]).size, 200)
    assert.deepEqual(numbersIn(verifying!.samples), judges)
    assert.ok(numbersIn(calibration!).every((number) => trains.includes(number)))
  })
})

describe('batches of a search', () => {
  const INPUTS = [{ name: 'x', dtype: 'float32', shape: ['N', 1] }] as const
  const batchesOf = (dataset: Dataset) =>
    calibrationBatches({ dataset, start: 0, count: dataset.samples }, INPUTS as never, 4)
  const read = async (batches: AsyncIterable<Record<string, { data: unknown }>>) => {
    const numbers: number[] = []
    for await (const { x } of batches) numbers.push(...(x!.data as Float32Array))
    return numbers
  }

  test('what judges is drawn over all of them, and does not calibrate', async () => {
    const { calibration, judging } = holdOutOfBatches(batchesOf(numbered(100)), JUDGING, 0)
    const [calibrating, judged] = [await read(calibration), await read(judging)]
    coversAll(judged, 100)
    assert.deepEqual([calibrating.length, judged.length], [75, 25])
    assert.equal(new Set([...calibrating, ...judged]).size, 100)
  })

  test('nothing else is read', async () => {
    const dataset = numbered(1000)
    const drawn = await read(drawBatches(batchesOf(dataset), 32, 0))
    coversAll(drawn, 1000)
    assert.deepEqual(
      [...dataset.read].toSorted((a, b) => a - b),
      drawn,
    )
  })
})
