/** Parameter arithmetic that only onnxruntime.quantization has, against the values that it computed: bit for bit. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constantParameters, quantizeConstant } from '../../../src/engine/compat/constants.ts'
import { restrictedParameters } from '../../../src/engine/compat/restricted.ts'
import { bytesOf, float32 } from '../../../src/engine/ir/tensor.ts'
import type { QType } from '../../../src/engine/quant/math.ts'
import { integersOfTensor, integerTensor } from '../../../src/engine/quant/packed.ts'
import { numbersOf, readGolden, rowsOf, sharedFile } from '../../kit/goldens.ts'

const path = sharedFile('goldens', 'ort-1.30', 'params.json.gz')
const skip = path ? false : 'no golden vectors here'

interface Table {
  columns: string[]
  rows: unknown[][]
}
interface Params {
  blocked: Table & { weights: Record<string, { shape: number[]; data: (number | string)[] }> }
  snapZeroPoint: Table
  pack4: Table
}

const TYPES: Record<string, QType> = {
  ...{ u4: 'uint4', s4: 'int4' },
  ...{ u8: 'uint8', s8: 'int8', u16: 'uint16', s16: 'int16' },
} as const
const hexOf = (x: number): string => Buffer.from(new Uint8Array(Float32Array.of(x).buffer).reverse()).toString('hex')
const goldens = (): Params => readGolden(path!) as unknown as Params

test('one scale per block of a matrix', { skip }, () => {
  const { blocked } = goldens()
  const found = rowsOf(blocked)
  assert.equal(found.length, 240)
  for (const row of found) {
    const { shape, data } = blocked.weights[row.weight as string]!
    const tensor = float32(shape, numbersOf(data))
    const qtype = TYPES[row.type as string]!
    const range = { symmetric: row.symmetric as boolean }
    const parameters = constantParameters(tensor, {
      qtype,
      axis: row.axis as number,
      blockSize: row.blockSize as number,
      range,
    })
    const integers = integersOfTensor(quantizeConstant(tensor, parameters), qtype)
    assert.deepEqual(
      [parameters.shape, [...parameters.scales].map(hexOf), [...parameters.zeroPoints], [...integers]],
      [row.scaleShape, row.scaleHex, row.zeroPoint, row.quantized],
      JSON.stringify(row).slice(0, 300),
    )
  }
})

test('zero points that are 0 or in the middle', { skip }, () => {
  const found = rowsOf(goldens().snapZeroPoint)
  assert.equal(found.length, 714)
  for (const row of found) {
    const options = {
      reduceRange: row.reduceRange as boolean,
      ...(row.minRealRange !== null && { minimumRange: row.minRealRange as number }),
    }
    const { scale, zeroPoint } = restrictedParameters(Number(row.rmin), Number(row.rmax), options)
    assert.deepEqual([hexOf(scale), zeroPoint], [row.scaleHex, row.zeroPoint], JSON.stringify(row))
  }
})

test('two integers of 4 bits in a byte', { skip }, () => {
  const found = rowsOf(goldens().pack4)
  assert.equal(found.length, 10)
  for (const { values, packedHex } of found) {
    const integers = Int8Array.from(values as number[])
    const qtype = integers.some((q) => q < 0) ? 'int4' : 'uint4'
    const tensor = integerTensor(qtype, [integers.length], integers)
    assert.equal(Buffer.from(bytesOf(tensor)).toString('hex'), packedHex)
    assert.deepEqual([...integersOfTensor(tensor, qtype)], values)
  }
})
