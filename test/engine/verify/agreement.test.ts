/** Over what float and quantized outputs are said to agree. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ints } from '../../../src/engine/ir/build.ts'
import { classAxis } from '../../../src/engine/verify/class-axis.ts'
import { createFidelityMeter } from '../../../src/engine/verify/fidelity.ts'
import { buildModel } from '../../kit/model.ts'
import { typedModel } from '../../kit/run.ts'

const agreementOf = (dims: number[], float: number[], quantized: number[], axis: number | null = null) => {
  const meter = createFidelityMeter(['y'], () => axis)
  const of = (data: number[]) => ({ y: { dtype: 'float32' as const, dims, data: Float32Array.from(data) } })
  meter.add(of(float), of(quantized), dims[0]!)
  return meter.result()?.agreement
}

test('steps of a text line agree one by one, over the last axis', () => {
  assert.equal(agreementOf([1, 4, 2], [1, 0, 1, 0, 1, 0, 1, 0], [1, 0, 1, 0, 1, 0, 0, 1]), 0.75)
})

test('pixels agree one by one, over the axis of the channels', () => {
  assert.equal(agreementOf([1, 2, 1, 4], [1, 1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 0, 1]), 0.75)
})

test('samples of [N, C] agree as a whole', () => {
  assert.equal(agreementOf([2, 2], [1, 0, 1, 0], [1, 0, 0, 1]), 0.5)
})

test('pixels of [N, H, W, C] and steps of [N, C, T] are counted over the axis that is known', () => {
  assert.equal(agreementOf([1, 1, 4, 2], [1, 0, 1, 0, 1, 0, 1, 0], [1, 0, 1, 0, 1, 0, 0, 1], 3), 0.75)
  assert.equal(agreementOf([1, 2, 4], [1, 1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 0, 1], 1), 0.75)
})

test('numbers of which each sample has one have no classes', () => {
  assert.equal(agreementOf([3, 1], [1, 2, 3], [1, 2, 3]), null)
  assert.equal(agreementOf([3], [1, 2, 3], [1, 2, 3]), null)
})

type Builder = ReturnType<typeof buildModel>

const axisIn = async (
  shape: (number | string)[],
  body: (m: Builder, x: ReturnType<Builder['input']>) => ReturnType<Builder['input']>,
) => {
  const m = buildModel()
  const y = body(m, m.input('x', shape))
  m.output(y, 'y', ['?', '?', '?'])
  return classAxis((await typedModel(m.bytes())).graph.outputs[0])
}

test('classes are filters of a convolution, wherever they are moved', async () => {
  const conv = (m: Builder, x: ReturnType<Builder['input']>) => m.node('Conv', [x, m.weight('w', [5, 3, 3])])
  assert.equal(await axisIn(['N', 3, 12], conv), 1)
  assert.equal(
    await axisIn(['N', 3, 12], (m, x) =>
      m.node('Sigmoid', [m.node('Transpose', [conv(m, x)], { attributes: { perm: ints([0, 2, 1]) } })]),
    ),
    2,
  )
})
