/** Half precision of weights against the converter of ONNX Runtime 1.30. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { float16Bits, fromFloat16Bits, toFloat16 } from '../../../src/engine/ir/float16.ts'
import { readGolden, rowsOf, sharedFile } from '../../kit/goldens.ts'

const path = sharedFile('goldens', 'ort-1.30', 'float16.json')
const skip = path ? false : 'no golden vectors here'

const floatOf = (hex: string): number => Buffer.from(hex, 'hex').readFloatBE()

test('every scalar of the table', { skip }, () => {
  const { scalarConversion } = readGolden(path!) as unknown as { scalarConversion: Parameters<typeof rowsOf>[0] }
  const found = rowsOf(scalarConversion)
  assert.ok(found.length > 20)
  for (const row of found) {
    const [half] = toFloat16([floatOf(row.float32Hex as string)])
    const isNaNRow = row.value === 'NaN'
    assert.equal(
      isNaNRow ? Number.isNaN(fromFloat16Bits(half!)) : half!.toString(16).padStart(4, '0'),
      isNaNRow ? true : row.float16Hex,
      JSON.stringify(row),
    )
  }
})

test('all 65,536 half floats survive the way there and back', () => {
  for (let half = 0; half < 65536; half++) {
    const value = fromFloat16Bits(half)
    if (!Number.isNaN(value)) assert.equal(float16Bits(value), half)
  }
})
