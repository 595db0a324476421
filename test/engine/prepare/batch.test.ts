/** How many samples share a run: what a file declares, and what the model really takes. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { int, ints } from '../../../src/engine/ir/build.ts'
import type { Value } from '../../../src/engine/ir/graph.ts'
import { float32, int64 } from '../../../src/engine/ir/tensor.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { type Builder, buildModel } from '../../kit/model.ts'

const SAMPLES = 30

/** A product in front of what `rest` makes of it: x [N,8]. */
function modelOf(rest: (m: Builder, hidden: Value) => Value, dim: number | string = 'N'): Uint8Array {
  const m = buildModel()
  const x = m.input('x', [dim, 8])
  const hidden = m.node('Relu', [m.node('MatMul', [x, m.weight('w', [8, 16])], { name: 'm' })], { name: 'r' })
  m.output(rest(m, hidden), 'y')
  return m.bytes()
}

const head = (m: Builder, value: Value, inner = 16): Value =>
  m.node('MatMul', [value, m.weight('h', [inner, 4])], { name: 'h' })
const reshaped = (m: Builder, value: Value, shape: number[]): Value =>
  m.node('Reshape', [value, m.constant('shape', int64([shape.length], shape))], { name: 'reshape' })

const run = (model: Uint8Array, samples = SAMPLES) =>
  runEngine(model, randomData(samples, [8]), {
    target: 'cpu-int8-avx2',
    method: { type: 'static', observer: 'minmax' },
  })
const codes = ({ report }: Awaited<ReturnType<typeof run>>) => report.warnings.map(({ code }) => code)

describe('a batch that is free only on paper', () => {
  test('is one where a Reshape names one sample', async () => {
    const result = await run(modelOf((m, hidden) => head(m, reshaped(m, hidden, [1, 16]))))
    assert.ok(codes(result).includes('batch_not_free'))
    assert.ok(result.report.metrics.fidelity!.sqnr_db > 20)
  })

  test('is one where company changes the results without an error', async () => {
    const result = await run(
      modelOf((m, hidden) => {
        const mean = m.node('ReduceMean', [hidden], { name: 'mean', attributes: { axes: ints([0]), keepdims: int(1) } })
        return head(m, m.node('Sub', [hidden, mean], { name: 'centred' }))
      }),
    )
    const warning = result.report.warnings.find(({ code }) => code === 'batch_not_free')
    assert.match(warning?.detail ?? '', /output "y" is not the same/)
  })

  test('is what the file was written for, also where that is more than one; what fills the last run up does not count', async () => {
    const result = await run(
      modelOf((m, hidden) => head(m, reshaped(m, hidden, [4, 16]))),
      30,
    )
    assert.match(
      result.report.warnings.find(({ code }) => code === 'batch_not_free')?.detail ?? '',
      /4 samples at a time/,
    )
    assert.equal(result.report.metrics.fidelity!.samples, 6)
  })

  test('is free where samples lie along another axis of an output', async () => {
    const result = await run(
      modelOf((m, hidden) => {
        const lines = reshaped(m, head(m, hidden), [-1, 2, 2])
        return m.node('Transpose', [lines], { name: 'turned', attributes: { perm: ints([1, 0, 2]) } })
      }),
    )
    assert.ok(!codes(result).includes('batch_not_free'))
  })

  test('is free where the model is what it says', async () => {
    assert.ok(!codes(await run(modelOf(head))).includes('batch_not_free'))
  })
})

describe('a first dimension that is no size', () => {
  for (const dim of [0, -1]) {
    test(`of ${dim} is free`, async () => {
      const { model, report } = await run(modelOf(head, dim))
      assert.deepEqual(model.graph.inputs[0]!.shape, [null, 8])
      assert.ok(report.metrics.fidelity!.sqnr_db > 20)
    })
  }
})

test('what no batch makes run is told with the node and what to do', async () => {
  const wrong = modelOf((m, hidden) =>
    head(
      m,
      m.node('Add', [reshaped(m, hidden, [-1, 2, 8]), m.constant('c', float32([1, 5, 8], new Float32Array(40)))], {
        name: 'sum',
      }),
      8,
    ),
  )
  await assert.rejects(run(wrong), (error: Error & { extra?: { hint?: string } }) => {
    assert.match(error.message, /"sum"|sum/)
    assert.doesNotMatch(error.message, /onnxruntime_src|Status Message|\/tmp/)
    return error.extra?.hint !== undefined
  })
})
