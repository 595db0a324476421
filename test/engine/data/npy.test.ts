/** The .npy header: every type, order and version is read, nothing else is believed, and numbers arrive as they were. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { convert } from '../../../src/engine/data/convert.ts'
import { openDataset, readBatch } from '../../../src/engine/data/dataset.ts'
import type { Affine } from '../../../src/engine/data/fit.ts'
import { parseHeader } from '../../../src/engine/data/npy.ts'
import { encodeNpy } from '../../../src/engine/data/write-npz.ts'
import type { DType } from '../../../src/engine/ir/dtype.ts'
import type { ElementArray } from '../../../src/engine/runtime/runtime.ts'
import { FewbitError } from '../../../src/shared/errors.ts'
import { type NpyFields, npy, zip } from '../../kit/npz.ts'

const directory = mkdtempSync(join(tmpdir(), 'fewbit-npy-'))
after(() => rmSync(directory, { recursive: true }))

/** element type, width in bytes, six numbers that it holds exactly */
const TYPES: readonly [string, DType, number, ElementArray][] = [
  ['b1', 'bool', 1, Uint8Array.of(1, 0, 0, 1, 1, 0)],
  ['i1', 'int8', 1, Int8Array.of(1, -128, 0, 127, 4, 5)],
  ['u1', 'uint8', 1, Uint8Array.of(1, 255, 0, 3, 4, 5)],
  ['i2', 'int16', 2, Int16Array.of(1, -32768, 0, 32767, 4, 5)],
  ['u2', 'uint16', 2, Uint16Array.of(1, 65535, 0, 3, 4, 5)],
  ['f2', 'float16', 2, Uint16Array.of(0x3c00, 0xc000, 0x3400, 0x7bff, 0x0001, 0x8000)],
  ['i4', 'int32', 4, Int32Array.of(1, -(2 ** 31), 0, 2 ** 31 - 1, 4, 5)],
  ['u4', 'uint32', 4, Uint32Array.of(1, 2 ** 32 - 1, 0, 3, 4, 5)],
  ['f4', 'float32', 4, Float32Array.of(1.5, -2, 0.25, 3.4e38, 1e-45, -0)],
  ['i8', 'int64', 8, BigInt64Array.of(1n, -(2n ** 63n), 0n, 2n ** 63n - 1n, 4n, 5n)],
  ['u8', 'uint64', 8, BigUint64Array.of(1n, 2n ** 64n - 1n, 0n, 3n, 4n, 5n)],
  ['f8', 'float64', 8, Float64Array.of(1.5, -2, 0.1, 1.7e308, 5e-324, -0)],
]

const bytesOf = (array: ElementArray): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

function elements(bytes: Uint8Array, width: number): Uint8Array[] {
  return Array.from({ length: bytes.length / width }, (_, i) => bytes.slice(i * width, (i + 1) * width))
}

/** the six elements as [3, 2] in row-major order, laid down column by column */
const byColumn = (bytes: Uint8Array, width: number): Uint8Array => {
  const all = elements(bytes, width)
  return Buffer.concat([0, 2, 4, 1, 3, 5].map((i) => all[i]!))
}
const swapped = (bytes: Uint8Array, width: number): Uint8Array =>
  Buffer.concat(elements(bytes, width).map((element) => element.toReversed()))

async function readBack(dtype: DType, file: Uint8Array, deflate: boolean) {
  const path = join(directory, 'data.npz')
  writeFileSync(path, zip([{ name: 'x.npy', bytes: file, deflate }]))
  const dataset = await openDataset(path, { arrays: {} })
  return readBatch(dataset, [{ name: 'x', dtype, shape: ['N', 2] }], 1, 2).x
}

const BOTH = [false, true]
const LAYOUTS = BOTH.flatMap((big) =>
  BOTH.flatMap((fortran) =>
    BOTH.flatMap((deflate) => ([1, 2, 3] as const).map((version) => ({ big, fortran, deflate, version }))),
  ),
)

describe('an array', () => {
  for (const [code, dtype, width, numbers] of TYPES) {
    test(`of ${dtype} arrives in every byte order, element order and version, stored or compressed`, async () => {
      const expected = (numbers as Uint8Array).slice(2)
      for (const { big, fortran, deflate, version } of LAYOUTS) {
        const rows = big ? swapped(bytesOf(numbers), width) : bytesOf(numbers)
        const order = width === 1 ? '|' : big ? '>' : '<'
        const file = npy(fortran ? byColumn(rows, width) : rows, { descr: order + code, fortran, version })
        const x = await readBack(dtype, file, deflate)
        assert.deepEqual([x?.dims, x?.data], [[2, 2], expected], JSON.stringify({ big, fortran, version, deflate }))
      }
    })
  }

  test('of four axes in Fortran order is turned around', async () => {
    const shape = [2, 3, 4, 5]
    const at = (a: number, b: number, c: number, d: number) => 1000 * a + 100 * b + 10 * c + d
    const columns = Float64Array.from({ length: 120 }, (_, i) =>
      at(i % 2, Math.floor(i / 2) % 3, Math.floor(i / 6) % 4, Math.floor(i / 24)),
    )
    const file = npy(new Uint8Array(columns.buffer), { descr: '<f8', fortran: true, shape: '(2, 3, 4, 5)' })
    const rows = Array.from({ length: 120 }, (_, i) =>
      at(Math.floor(i / 60), Math.floor(i / 20) % 3, Math.floor(i / 5) % 4, i % 5),
    )
    const path = join(directory, 'four.npz')
    writeFileSync(path, zip([{ name: 'x.npy', bytes: file }]))
    const inputs = [{ name: 'x', dtype: 'float64' as const, shape: ['N', 3, 4, 5] }]
    const { x } = readBatch(await openDataset(path, { arrays: {} }), inputs, 0, 2)
    assert.deepEqual([x!.dims, [...(x!.data as Float64Array)]], [shape, rows])
  })
})

describe('a header', () => {
  const body = new Uint8Array(24)
  const dictionary = (descr: string, rest = '') =>
    `{'descr': ${descr}, 'fortran_order': False, 'shape': (3, 2), ${rest}}`
  const REFUSED: readonly [string, NpyFields, RegExp][] = [
    ['of objects', { descr: '|O' }, /element type '\|O'/],
    ['of strings', { descr: '<U3' }, /element type/],
    ['of complex numbers', { descr: '<c8' }, /element type/],
    ['of times', { descr: '<M8[ns]' }, /element type/],
    ['of long doubles', { descr: '<f16' }, /element type/],
    ['of structures', { header: dictionary("[('a', '<f4'), ('b', '<i4')]") }, /structured/],
    ['with code', { header: dictionary("'<f4'", "'x': __import__('os').system('id'), ") }, /cannot be read/],
    ['with a computed shape', { shape: '(3 * 10**9,)' }, /cannot be read/],
    ['with a negative axis', { shape: '(-3, 2)' }, /cannot be read/],
    ['with more elements than numbers count', { shape: '(999999999999999, 999999999999999)' }, /claims the shape/],
    ['with a number of 400 digits', { shape: `(${'9'.repeat(400)},)` }, /claims the shape/],
    ['with 33 axes', { shape: `(${'1, '.repeat(33)})` }, /claims the shape/],
    ['without a shape', { header: "{'descr': '<f4', 'fortran_order': False}" }, /cannot be read/],
  ]
  for (const [what, fields, detail] of REFUSED) {
    test(`${what} is refused`, () => {
      assert.throws(() => parseHeader('x', npy(body, fields)), { code: 'dataset_array_invalid', message: detail })
    })
  }

  test('of any length but the true one is refused or says the same', () => {
    const whole = npy(body)
    const truth = parseHeader('x', whole)
    for (let length = 0; length < truth.offset; length++) {
      const bytes = Buffer.from(whole)
      bytes.writeUInt16LE(length, 8)
      try {
        assert.deepEqual({ ...parseHeader('x', bytes), offset: 0 }, { ...truth, offset: 0 })
      } catch (error) {
        assert.ok(error instanceof FewbitError, (error as Error).stack)
      }
    }
  })

  test('that we write is what we read', () => {
    for (const [, dtype, , data] of TYPES)
      for (const shape of [[6], [3, 2], [1, 1, 6], [6, 1]]) {
        const bytes = encodeNpy({ dtype, shape, data })
        const { offset, ...header } = parseHeader('x', bytes)
        assert.deepEqual(header, { dtype, shape, fortran: false, bigEndian: false })
        assert.deepEqual([offset % 64, new Uint8Array(bytes.subarray(offset))], [0, bytesOf(data)])
      }
  })
})

describe('a number', () => {
  const PLAIN: Affine = { scale: 1, offset: 0 }
  const one = (data: ElementArray, from: DType, to: DType, affine = PLAIN) => convert(data, from, to, affine)[0]

  const KEPT: readonly [ElementArray, DType, DType, Affine, number | bigint][] = [
    [Uint8Array.of(255), 'uint8', 'float32', { scale: 2 / 255, offset: -1 }, 1],
    [Uint8Array.of(255), 'uint8', 'float16', PLAIN, 0x5bf8],
    [Uint16Array.of(0xbc00), 'float16', 'float32', PLAIN, -1],
    [BigInt64Array.of(-3n), 'int64', 'float32', { scale: 0.5, offset: 1 }, -0.5],
    [BigInt64Array.of(-(2n ** 63n)), 'int64', 'float64', PLAIN, -(2 ** 63)],
    [BigUint64Array.of(2n ** 64n - 1n), 'uint64', 'float64', PLAIN, 2 ** 64],
    [BigInt64Array.of(-5n), 'int64', 'int32', PLAIN, -5],
    [Int32Array.of(-5), 'int32', 'int64', PLAIN, -5n],
    [Uint8Array.of(127), 'uint8', 'int8', PLAIN, 127],
    [Int32Array.of(-2), 'int32', 'bool', PLAIN, 1],
    [Float64Array.of(1e-50), 'float64', 'float32', PLAIN, 0],
    [Float64Array.of(65519.9), 'float64', 'float16', PLAIN, 0x7bff],
  ]
  for (const [data, from, to, affine, expected] of KEPT) {
    test(`${data[0]} of ${from} · ${affine.scale} + ${affine.offset} is ${expected} as ${to}`, () => {
      assert.equal(one(data, from, to, affine), expected)
    })
  }

  const LOST: readonly [ElementArray, DType, DType, Affine?][] = [
    [Uint8Array.of(128), 'uint8', 'int8'],
    [Int8Array.of(-1), 'int8', 'uint64'],
    [BigInt64Array.of(2n ** 31n), 'int64', 'int32'],
    [BigUint64Array.of(2n ** 63n), 'uint64', 'int64'],
    [Float64Array.of(1e39), 'float64', 'float32'],
    [Float32Array.of(65520), 'float32', 'float16'],
    [Float32Array.of(1e38), 'float32', 'float32', { scale: 10, offset: 0 }],
    [Float64Array.of(1e308), 'float64', 'float64', { scale: 10, offset: 0 }],
  ]
  for (const [data, from, to, affine] of LOST) {
    test(`${data[0]} of ${from} does not become something else as ${to}`, () => {
      assert.throws(() => one(data, from, to, affine), { code: 'dataset_mismatch' })
    })
  }
})
