/** Parameter arithmetic against values that ONNX Runtime 1.30 computed: every row, bit for bit. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  extremes,
  QTYPES,
  type QType,
  quantizeBias,
  quantizePerChannel,
  quantizeTensor,
  type RangeOptions,
  scaleZeroPoint,
  scaleZeroPointOf,
  weightScaleForBias,
} from '../../../src/engine/quant/math.ts'
import { numbersOf, readGolden, rowsOf, sharedFile } from '../../kit/goldens.ts'

const path = sharedFile('goldens', 'ort-1.30', 'params.json.gz')
const skip = path ? false : 'no golden vectors here'

interface Table {
  columns: string[]
  rows: unknown[][]
}
interface Params {
  scaleZp: Table
  quantizeData: Table & { arrays: Record<string, (number | string)[]> }
  quantizeArray: Table
  perChannel: Table & { weights: Record<string, { shape: number[]; data: (number | string)[] }> }
  bias: Table & { biases: Record<string, number[]> }
  weightScaleAdjust: Table & { biases: Record<string, number[]> }
}

const TYPES: Record<string, QType> = {
  ...{ u4: 'uint4', s4: 'int4' },
  ...{ u8: 'uint8', s8: 'int8', u16: 'uint16', s16: 'int16' },
} as const

const hexOf = (x: number): string => Buffer.from(new Uint8Array(Float32Array.of(x).buffer).reverse()).toString('hex')
const typeOf = (row: Record<string, unknown>): QType => TYPES[row.type as string]!
const optionsOf = (row: Record<string, unknown>): RangeOptions => ({
  symmetric: row.symmetric as boolean,
  reduceRange: row.reduceRange as boolean,
  ...(row.minRealRange !== null && { minimumRange: row.minRealRange as number }),
})

function rows(table: keyof Params, least: number, keep: (row: Record<string, unknown>) => boolean = () => true) {
  const params = readGolden(path!) as unknown as Params
  const found = rowsOf(params[table]).filter(
    (row) => (row.type === undefined || Object.hasOwn(TYPES, row.type as string)) && keep(row),
  )
  assert.ok(found.length >= least, `only ${found.length} rows of ${table}`)
  return { params, found }
}

test('scale and zero point of a range', { skip }, () => {
  const { found } = rows('scaleZp', 4704)
  for (const row of found) {
    const { scale, zeroPoint } = scaleZeroPoint(Number(row.rmin), Number(row.rmax), typeOf(row), optionsOf(row))
    assert.deepEqual([hexOf(scale), zeroPoint], [row.scaleHex, row.zeroPoint], JSON.stringify(row))
  }
})

test('a whole tensor', { skip }, () => {
  const { params, found } = rows('quantizeData', 1008)
  for (const row of found) {
    const values = numbersOf(params.quantizeData.arrays[row.data as string]!)
    const [low, high] = extremes(values)
    const overridden = values.length > 0 && (row.rminOverride !== null || row.rmaxOverride !== null)
    const parameters = overridden
      ? scaleZeroPoint(Number(row.rminOverride ?? low), Number(row.rmaxOverride ?? high), typeOf(row), optionsOf(row))
      : scaleZeroPointOf(values, typeOf(row), optionsOf(row))
    const quantized = [...quantizeTensor(values, parameters, typeOf(row))]
    assert.deepEqual(
      [hexOf(parameters.scale), parameters.zeroPoint, quantized],
      [row.scaleHex, row.zeroPoint, row.quantized],
      JSON.stringify(row),
    )
  }
})

function clipOf(row: Record<string, unknown>): readonly [number, number] {
  const [low, high] = QTYPES[typeOf(row)].full
  return [Math.max(low, Number(row.low ?? low)), Math.min(high, Number(row.high ?? high))]
}

test('rounding and clipping with given parameters', { skip }, () => {
  const { found } = rows('quantizeArray', 162)
  for (const row of found) {
    const parameters = { scale: Math.fround(row.scale as number), zeroPoint: row.zeroPoint as number }
    assert.deepEqual(
      [...quantizeTensor(numbersOf(row.data as number[]), parameters, typeOf(row), clipOf(row))],
      row.quantized,
      JSON.stringify(row),
    )
  }
})

/** which of the rows' paths are symmetric. Source: README of the golden vectors. */
function isSymmetric({ path: route, type, weightSymmetric }: Record<string, unknown>): boolean {
  if (route === 'qdq') return weightSymmetric !== false
  return route === 'qoperator' ? String(type).startsWith('s') : false
}

test('weights per channel', { skip }, () => {
  const { params, found } = rows('perChannel', 560)
  for (const row of found) {
    const weight = params.perChannel.weights[row.weight as string]!
    const axis = ((row.axis as number) + weight.shape.length) % weight.shape.length
    const options = { symmetric: isSymmetric(row), reduceRange: row.reduceRange as boolean }
    const { quantized, scales, zeroPoints } = quantizePerChannel(
      numbersOf(weight.data),
      weight.shape,
      axis,
      typeOf(row),
      options,
    )
    assert.deepEqual(
      [[...scales].map(hexOf), [...zeroPoints], [...quantized]],
      [row.scaleHex, row.zeroPoint, row.quantized],
      JSON.stringify(row).slice(0, 300),
    )
  }
})

test('int32 bias', { skip }, () => {
  const { params, found } = rows('bias', 300)
  for (const row of found) {
    const scales = [row.weightScale as number | number[]].flat()
    const { quantized, scales: made } = quantizeBias(
      numbersOf(params.bias.biases[row.bias as string]!),
      row.inputScale as number,
      Float32Array.from(scales),
      row.beta as number,
    )
    assert.deepEqual([[...made].map(hexOf), [...quantized]], [row.biasScaleHex, row.quantized], JSON.stringify(row))
  }
})

test('weight scales that leave room for the bias', { skip }, () => {
  const { params, found } = rows('weightScaleAdjust', 150)
  for (const row of found) {
    const bias = numbersOf(params.weightScaleAdjust.biases[row.bias as string]!)
    const given = [row.weightScale as number | number[]].flat().map(Math.fround)
    const largest = Math.max(...bias.map(Math.abs))
    const made = given.map((scale, i) =>
      weightScaleForBias(
        row.perChannel ? bias[i]! : largest,
        Math.fround(row.inputScale as number),
        scale,
        row.perChannel as boolean,
      ),
    )
    assert.deepEqual(made.map(hexOf), row.newWeightScaleHex, JSON.stringify(row))
  }
})
