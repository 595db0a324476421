/** Over what float and quantized outputs are said to agree. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFidelityMeter } from '../../../src/engine/verify/fidelity.ts'

const agreementOf = (dims: number[], float: number[], quantized: number[]) => {
  const meter = createFidelityMeter(['y'])
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
