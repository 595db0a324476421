/** Labels that are not those of the model are found out before any work, and metrics without labels give figures. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { MetricName } from '../../../src/contract/recipe.ts'
import { randomSource } from '../../../src/engine/data/synthetic.ts'
import { encodeNpz } from '../../../src/engine/data/write-npz.ts'
import { quantize, type Report } from '../../../src/engine/index.ts'
import { ints } from '../../../src/engine/ir/build.ts'
import { float32 } from '../../../src/engine/ir/tensor.ts'
import { randomData } from '../../kit/data.ts'
import { buildModel } from '../../kit/model.ts'

const N = 64
const CLASSES = 4

/** The inputs are the scores: what is right is known. `move` changes how the output lies. */
function scores(shape: readonly number[], move?: readonly number[]): Uint8Array {
  const m = buildModel()
  const width = shape.at(-1)!
  const x = m.input('x', ['N', ...shape])
  const identity = Float32Array.from({ length: width * width }, (_, i) => (i % (width + 1) === 0 ? 1 : 0))
  const product = m.node('MatMul', [x, m.constant('w', float32([width, width], identity))], { name: 'product' })
  const y = move ? m.node('Transpose', [product], { attributes: { perm: ints(move) } }) : product
  m.output(
    y,
    'y',
    Array.from({ length: shape.length + 1 }, (_, i) => `d${i}`),
  )
  return m.bytes()
}

type Label = (best: number[]) => number[]

/** Random scores, with labels made of the largest class at each step. */
function labelled(shape: readonly number[], labelOf: Label, samples = N) {
  const random = randomSource(3)
  const width = shape.at(-1)!
  const size = shape.reduce((a, b) => a * b, 1)
  const data = Float32Array.from({ length: samples * size }, () => random() * 2 - 1)
  const rows = Array.from({ length: (samples * size) / width }, (_, row) => {
    const part = [...data.subarray(row * width, (row + 1) * width)]
    return part.indexOf(Math.max(...part))
  })
  const steps = size / width
  const labels = Array.from({ length: samples }, (_, i) => labelOf(rows.slice(i * steps, (i + 1) * steps)))
  const values = BigInt64Array.from(labels.flat(), BigInt)
  return encodeNpz({
    x: { dtype: 'float32', shape: [samples, ...shape], data },
    labels: { dtype: 'int64', shape: labels[0]!.length === 1 ? [samples] : [samples, labels[0]!.length], data: values },
  })
}

async function judged(model: Uint8Array, data: Buffer, metric: MetricName): Promise<Report> {
  const { report } = await quantize(model, {
    target: 'cpu-int8',
    method: { type: 'dynamic' },
    evaluation: { data, metric },
    threads: 1,
  })
  return report
}

const warned = ({ warnings }: Report) => warnings.find(({ code }) => code === 'labels_do_not_fit')?.detail
const refused = (detail: RegExp) => (error: { code: string; message: string }) => {
  assert.equal(error.code, 'dataset_labels_invalid')
  assert.match(error.message, detail)
  return true
}

/** CTC without repetitions: what the steps say, padded. */
const decoded =
  (blank: number, shift: number): Label =>
  (best) => {
    const path = best.filter((symbol, i) => symbol !== blank && symbol !== best[i - 1]).map((symbol) => symbol + shift)
    return [...path, ...Array.from({ length: best.length - path.length }, () => -1)]
  }

describe('classes', () => {
  test('that fit are not remarked on', async () => {
    const report = await judged(
      scores([CLASSES]),
      labelled([CLASSES], ([best]) => [best!]),
      'top1',
    )
    assert.equal(report.metrics.accuracy?.float, 1)
    assert.equal(warned(report), undefined)
  })

  test('of samples that do not fill the last run belong to the model too', async () => {
    const data = labelled([CLASSES], ([best]) => [best!], 40)
    const report = await judged(scores([CLASSES]), data, 'top1')
    assert.equal(report.metrics.accuracy?.float, 1)
    assert.equal(report.metrics.accuracy?.samples, 40)
  })

  test('counted from 1 are refused', () =>
    assert.rejects(
      judged(
        scores([CLASSES]),
        labelled([CLASSES], ([best]) => [best! + 1]),
        'top1',
      ),
      refused(/from 1 to 4.*"y" has 4 classes, 0 to 3/),
    ))

  test('of a model with several positions are refused', () =>
    assert.rejects(
      judged(
        scores([3, CLASSES]),
        labelled([3, CLASSES], ([best]) => [best!]),
        'top1',
      ),
      refused(/several positions/),
    ))

  test('that the float model only guesses get a warning', async () => {
    let i = 0
    const report = await judged(
      scores([CLASSES]),
      labelled([CLASSES], () => [i++ % CLASSES]),
      'top1',
    )
    assert.match(warned(report) ?? '', /the float model itself is right on \d+ of 64 samples/)
  })
})

describe('text lines', () => {
  test('with blank 0 are not remarked on', async () => {
    const report = await judged(scores([6, CLASSES]), labelled([6, CLASSES], decoded(0, 0)), 'cer')
    assert.equal(report.metrics.accuracy?.float, 0)
    assert.equal(warned(report), undefined)
  })

  test('with the last class as blank get a warning that says so', async () => {
    const report = await judged(scores([6, CLASSES]), labelled([6, CLASSES], decoded(CLASSES - 1, 0)), 'cer')
    assert.match(warned(report) ?? '', /0\.00 with class 3/)
  })

  test('of another alphabet are refused', () =>
    assert.rejects(
      judged(scores([6, CLASSES]), labelled([6, CLASSES], decoded(0, 5)), 'cer'),
      refused(/to \d, and output "y" has 4 classes/),
    ))

  test('with steps first or classes in the middle are refused', async () => {
    const data = labelled([6, CLASSES], decoded(0, 0))
    await assert.rejects(
      judged(scores([6, CLASSES], [1, 0, 2]), data, 'cer'),
      refused(/reads \[samples, steps, classes\]/),
    )
    await assert.rejects(judged(scores([6, CLASSES], [0, 2, 1]), data, 'cer'), refused(/its classes on axis 1/))
  })
})

describe('metrics without labels', () => {
  test('agreement, cosine and mse compare with the float model', async () => {
    const data = randomData(40, [CLASSES])
    const of = async (metric: MetricName) => (await judged(scores([CLASSES]), data, metric)).metrics
    const { accuracy: agreement, fidelity } = await of('agreement')
    assert.equal(agreement?.float, 1)
    assert.equal(agreement?.quantized, fidelity?.agreement)
    const { accuracy: cosine } = await of('cosine')
    assert.ok(cosine && cosine.float > 0.999999 && cosine.quantized > 0.99 && cosine.quantized < cosine.float)
    const { accuracy: mse } = await of('mse')
    assert.ok(mse && mse.float === 0 && mse.quantized > 0 && mse.drop === mse.quantized)
  })
})

test('dynamic quantization says what company in a run costs', async () => {
  const random = randomSource(9)
  // Samples of very different size share one range when they share a run.
  const data = Float32Array.from(
    { length: 40 * 8 },
    (_, i) => (random() * 2 - 1) * (Math.floor(i / 8) % 8 === 0 ? 100 : 1),
  )
  const { metrics, warnings } = (
    await quantize(scores([8]), {
      target: 'cpu-int8',
      method: { type: 'dynamic' },
      evaluation: encodeNpz({ x: { dtype: 'float32', shape: [40, 8], data } }),
      threads: 1,
    })
  ).report
  const { batch, in_batches, sqnr_db } = metrics.fidelity!
  assert.deepEqual([batch, in_batches?.batch], [1, 32])
  assert.ok(in_batches!.sqnr_db < sqnr_db - 1)
  assert.ok(warnings.some(({ code }) => code === 'depends_on_batch'))
})
