/** Data sets: every element type and layout arrives as it was, and nothing that lies is believed. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import { openDataset, readBatch } from '../../../src/engine/data/dataset.ts'
import { inspectNpz } from '../../../src/engine/data/inspect.ts'
import { encodeNpz, type NpyArray } from '../../../src/engine/data/write-npz.ts'
import type { DType } from '../../../src/engine/ir/dtype.ts'
import { FewbitError } from '../../../src/shared/errors.ts'
import { sharedFile } from '../../kit/goldens.ts'

const directory = mkdtempSync(join(tmpdir(), 'fewbit-npz-'))
after(() => rmSync(directory, { recursive: true }))
const file = (bytes: Uint8Array): string => {
  const path = join(directory, 'data.npz')
  writeFileSync(path, bytes)
  return path
}
const PLAIN = { arrays: {} }
const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work
    return 'accepted'
  } catch (error) {
    assert.ok(error instanceof FewbitError, (error as Error).stack)
    return error.code
  }
}

const COLUMNS: [DType, ArrayBufferView][] = [
  ['float32', Float32Array.of(1.5, -2, 0.25, 3, 4, 5)],
  ['float64', Float64Array.of(1.5, -2, 0.25, 3, 4, 5)],
  ['float16', Uint16Array.of(0x3e00, 0xc000, 0x3400, 0x4200, 0x4400, 0x4500)],
  ['int8', Int8Array.of(1, -2, 0, 3, 4, 5)],
  ['uint8', Uint8Array.of(1, 254, 0, 3, 4, 5)],
  ['int32', Int32Array.of(1, -2, 0, 3, 4, 5)],
  ['int64', BigInt64Array.of(1n, -2n, 0n, 3n, 4n, 5n)],
  ['bool', Uint8Array.of(1, 0, 0, 1, 1, 0)],
]

describe('an .npz', () => {
  for (const [dtype, data] of COLUMNS) {
    test(`of ${dtype} gives its elements back`, async () => {
      const path = file(encodeNpz({ x: { dtype, shape: [3, 2], data } }))
      const summary = await inspectNpz(path)
      assert.deepEqual(summary, { samples: 3, arrays: [{ name: 'x', dtype, shape: [3, 2] }], labels: null })
      const { x } = readBatch(await openDataset(path, PLAIN), [{ name: 'x', dtype, shape: ['N', 2] }], 1, 2)
      const elements = data as unknown as { slice(start: number, end: number): ArrayBufferView }
      assert.deepEqual([x?.dims, x?.data], [[2, 2], elements.slice(2, 6)])
    })
  }

  test('turns stored integers into floats by scale and offset', async () => {
    const path = file(encodeNpz({ x: { dtype: 'uint8', shape: [2, 2], data: Uint8Array.of(0, 51, 102, 255) } }))
    const spec = { arrays: { x: { scale: 2 / 255, offset: -1 } } }
    const { x } = readBatch(await openDataset(path, spec), [{ name: 'x', dtype: 'float32', shape: ['N', 2] }], 0, 2)
    assert.deepEqual(
      [...(x!.data as Float32Array)].map((value) => Number(value.toFixed(4))),
      [-1, -0.6, -0.2, 1],
    )
  })

  test('with one axis more than the input holds a complete feed per sample', async () => {
    const path = file(encodeNpz({ x: { dtype: 'float32', shape: [2, 1, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) } }))
    const { x } = readBatch(await openDataset(path, PLAIN), [{ name: 'x', dtype: 'float32', shape: [1, 3] }], 1, 1)
    assert.deepEqual(
      [x?.dims, [...(x!.data as Float32Array)]],
      [
        [1, 3],
        [4, 5, 6],
      ],
    )
  })

  test('may name its arrays as models name their inputs', async () => {
    const names = ['x:0', 'serving/default', '../up', 'C:\\x', 'ü']
    const array: NpyArray = { dtype: 'float32', shape: [1], data: Float32Array.of(1) }
    const summary = await inspectNpz(file(encodeNpz(Object.fromEntries(names.map((name) => [name, array])))))
    assert.deepEqual(
      summary.arrays.map(({ name }) => name),
      names,
    )
  })

  test('gives labels by index', async () => {
    const labels: NpyArray = { dtype: 'int64', shape: [2], data: BigInt64Array.of(7n, 3n) }
    const path = file(encodeNpz({ x: { dtype: 'float32', shape: [2, 1], data: Float32Array.of(0, 1) }, labels }))
    const dataset = await openDataset(path, PLAIN)
    assert.deepEqual([dataset.labels?.value(0), dataset.labels?.value(1)], [7, 3])
  })

  test('cut anywhere is refused with a reason', async () => {
    const whole = encodeNpz({ x: { dtype: 'float32', shape: [4, 4], data: new Float32Array(16) } })
    for (let length = 0; length < whole.length; length += 7) {
      assert.match(
        await codeOf(inspectNpz(file(whole.subarray(0, length)))),
        /^dataset_(not_npz|array_invalid)$/,
        String(length),
      )
    }
  })

  test('with a damaged element is caught by its checksum', async () => {
    const bytes = encodeNpz({ x: { dtype: 'int32', shape: [4], data: Int32Array.of(1, 2, 3, 4) } })
    const at = bytes.indexOf(Buffer.from(Int32Array.of(1, 2, 3, 4).buffer))
    bytes[at] = bytes[at]! ^ 1
    assert.equal(await codeOf(inspectNpz(file(bytes))), 'dataset_not_npz')
  })

  test('that expands a thousandfold is refused before it does', async () => {
    const member = encodeNpz({ x: { dtype: 'float32', shape: [50_000_000], data: new Float32Array(50_000_000) } })
    assert.equal(await codeOf(inspectNpz(file(deflated(member)))), 'dataset_not_npz')
  })
})

/** The archive of one stored member with that member compressed. */
function deflated(stored: Buffer): Buffer {
  const start = 30 + stored.readUInt16LE(26)
  const directoryAt = stored.readUInt32LE(stored.length - 6)
  const body = deflateRawSync(stored.subarray(start, directoryAt))
  const head = Buffer.from(stored.subarray(0, start))
  const tail = Buffer.from(stored.subarray(directoryAt))
  head.writeUInt16LE(8, 8)
  head.writeUInt32LE(body.length, 18)
  tail.writeUInt16LE(8, 10)
  tail.writeUInt32LE(body.length, 20)
  tail.writeUInt32LE(start + body.length, tail.length - 6)
  return Buffer.concat([head, body, tail])
}

describe('crafted archives', () => {
  const folder = sharedFile('models', 'edge-cases', 'datasets')
  // what labels mean is the metric's question: the service refuses floats that no spec declares (test/http)
  const ACCEPTED =
    /^(ok|ok-stored|fortran-order|big-endian|float64|float16|int32-labels|extra-array|constant|npy-v2|labels-float|labels-out-of-range|wrong-(name|shape|rank))\.npz$/
  test('are accepted or refused as they deserve', { skip: folder ? false : 'no crafted files here' }, async () => {
    const names = readdirSync(folder!).filter((name) => name.endsWith('.npz'))
    assert.ok(names.length > 30)
    for (const name of names) {
      const code = await codeOf(inspectNpz(join(folder!, name)))
      assert.match(code, ACCEPTED.test(name) ? /^accepted$/ : /^dataset_/, name)
    }
  })

  test('the same numbers come out of every layout', { skip: folder ? false : 'no crafted files here' }, async () => {
    const read = async (name: string) => {
      const dataset = await openDataset(join(folder!, name), PLAIN)
      return [...(readBatch(dataset, [{ name: 'x', dtype: 'float32', shape: ['N', 8] }], 0, 4).x!.data as Float32Array)]
    }
    const expected = await read('ok.npz')
    for (const name of ['ok-stored.npz', 'fortran-order.npz', 'big-endian.npz', 'float64.npz'])
      assert.deepEqual(await read(name), expected, name)
  })
})
