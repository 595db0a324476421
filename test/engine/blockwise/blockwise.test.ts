/** Block-wise weights: byte for byte ONNX Runtime's without search, and closer to the weights with it. */
import assert from 'node:assert/strict'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { errorOfBlocks } from '../../../bench/lib/block-error.ts'
import { type BlockBits, quantizeBlockwise } from '../../../src/engine/blockwise/blockwise.ts'
import { dequantizable } from '../../../src/engine/blockwise/blockwise-qdq.ts'
import { openNpz, readElements } from '../../../src/engine/data/npz.ts'
import { randomSource } from '../../../src/engine/data/synthetic.ts'
import { bytesOf } from '../../../src/engine/ir/tensor.ts'
import { readGolden, sharedFile } from '../../kit/goldens.ts'

const index = sharedFile('goldens', 'ort-1.30', 'matmulnbits', 'index.json')

interface Row {
  input: string
  expected: string
  K: number
  N: number
  bits: number
  blockSize: number
  symmetric: boolean
  format: string
}

/** ONNX Runtime fills what is left of a column's last byte from memory beyond the weight: it means nothing. */
function withoutPadding(packed: Uint8Array, { K, N, bits, blockSize }: Row): Buffer {
  const bytes = Buffer.from(packed)
  const perColumn = packed.length / N
  const used = (((K - 1) % blockSize) + 1) * bits
  const last = Math.floor((K - 1) / blockSize) * ((blockSize * bits) / 8) + ((used - 1) >> 3)
  if (used % 8 > 0) for (let n = 0; n < N; n++) bytes[n * perColumn + last]! &= 2 ** (used % 8) - 1
  return bytes
}

async function arraysOf(path: string): Promise<Map<string, Uint8Array>> {
  const archive = await openNpz(path)
  const arrays = new Map<string, Uint8Array>()
  for (const member of archive.members) arrays.set(member.name, await readElements(member))
  archive.close()
  return arrays
}

test('every QOperator row of the golden vectors', {
  skip: index ? false : 'no golden vectors here',
}, async () => {
  const { rows } = readGolden(index!) as unknown as { rows: Row[] }
  const chosen = rows.filter(({ format }) => format === 'QOperator')
  assert.ok(chosen.length > 120)
  for (const row of chosen) {
    const file = (name: string) => join(dirname(dirname(index!)), name)
    const given = (await arraysOf(file(row.input))).get('B')!
    const expected = await arraysOf(file(row.expected))
    const weight = new Float32Array(given.buffer, given.byteOffset, row.K * row.N)
    const made = quantizeBlockwise(
      { values: weight, K: row.K, N: row.N },
      {
        bits: row.bits as BlockBits,
        blockSize: row.blockSize,
        symmetric: row.symmetric,
        search: false,
      },
    )
    const name = JSON.stringify(row).slice(0, 160)
    assert.deepEqual(Buffer.from(made.scales.buffer), Buffer.from(expected.get('scales')!), name)
    if (made.zeroPoints) assert.deepEqual(Buffer.from(made.zeroPoints), Buffer.from(expected.get('zeroPoints')!), name)
    const [ours, theirs] = [made.packed, expected.get('packed')!].map((bytes) => withoutPadding(bytes, row))
    assert.deepEqual(ours, theirs, name)
  }
})

test('every QDQ row of the golden vectors', { skip: index ? false : 'no golden vectors here' }, async () => {
  const { rows } = readGolden(index!) as unknown as { rows: Row[] }
  const chosen = rows.filter(({ format }) => format === 'QDQ')
  assert.ok(chosen.length > 50)
  for (const row of chosen) {
    const file = (name: string) => join(dirname(dirname(index!)), name)
    const given = (await arraysOf(file(row.input))).get('B')!
    const expected = await arraysOf(file(row.expected))
    const { K, N, blockSize, symmetric } = row
    const bits = row.bits as BlockBits
    const matrix = { values: new Float32Array(given.buffer, given.byteOffset, K * N), K, N }
    const made = quantizeBlockwise(matrix, { bits, blockSize, symmetric, search: false, roundsFirst: true })
    const { integers, scales, zeroPoints } = dequantizable(made, { K, N, bits, blockSize })
    const name = JSON.stringify(row).slice(0, 160)
    assert.deepEqual([integers.dtype, integers.shape], [symmetric ? 'int4' : 'uint4', [K, N]], name)
    assert.deepEqual(Buffer.from(bytesOf(integers)), Buffer.from(expected.get('packed')!), name)
    assert.deepEqual(Buffer.from(bytesOf(scales)), Buffer.from(expected.get('scales')!), name)
    assert.equal(zeroPoints === null, symmetric, name)
    if (zeroPoints) assert.deepEqual(Buffer.from(bytesOf(zeroPoints)), Buffer.from(expected.get('zeroPoints')!), name)
  }
})

for (const symmetric of [true, false]) {
  test(`the search wins at least 0.3 dB over rounding to nearest at 4 bits (${symmetric ? 'symmetric' : 'asymmetric'})`, () => {
    const random = randomSource(11)
    const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    const weight = Float32Array.from({ length: 256 * 64 }, normal)
    const [plain, found] = [false, true].map((search) => {
      const matrix = { values: weight, K: 256, N: 64 }
      const { signal, noise } = errorOfBlocks(matrix, { bits: 4, blockSize: 32, symmetric, search })
      return 10 * Math.log10(signal / noise)
    })
    assert.ok(found! >= plain! + 0.3, `${plain} → ${found}`)
  })
}
