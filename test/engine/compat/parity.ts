/** Compares what we make of a golden case with what ONNX Runtime made of it. */
import assert from 'node:assert/strict'
import type { Model } from '../../../src/engine/ir/graph.ts'
import type { Expected, TensorEntry } from './cases.ts'
import { histogram } from './tables.ts'

const sorted = <T>(table: Record<string, T>): [string, T][] =>
  Object.entries(table).sort(([a], [b]) => (a < b ? -1 : 1))

export function assertOperators(model: Model, { operators }: Expected): void {
  assert.deepEqual(sorted(histogram(model)), sorted(operators))
}

export function assertTensors(found: Record<string, TensorEntry>, { tensors }: Expected): void {
  assert.deepEqual(Object.keys(found).sort(), Object.keys(tensors).sort())
  for (const [name, { scaleHex, zeroPoint, axis, dtype, quantized }] of Object.entries(tensors)) {
    const wanted = { scaleHex, zeroPoint, axis, dtype, ...(quantized && { quantized }) }
    assert.deepEqual(found[name], wanted, name)
  }
}
