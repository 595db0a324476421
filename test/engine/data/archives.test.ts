/** Archives that lie, are damaged or want too much are refused in words, whatever the place of the fault. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { inspectNpz } from '../../../src/engine/data/inspect.ts'
import { type ErrorCode, FewbitError } from '../../../src/shared/errors.ts'
import { npy, type ZipMember, zip } from '../../kit/npz.ts'

const directory = mkdtempSync(join(tmpdir(), 'fewbit-archives-'))
after(() => rmSync(directory, { recursive: true }))

function inspect(bytes: Uint8Array) {
  const path = join(directory, 'data.npz')
  writeFileSync(path, bytes)
  return inspectNpz(path)
}

async function refusal(bytes: Uint8Array): Promise<FewbitError> {
  const error = await inspect(bytes).then(
    () => assert.fail('it was accepted'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof FewbitError, (error as Error).stack)
  return error
}

const body = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer)
const x = (more: Partial<ZipMember> = {}): ZipMember => ({ name: 'x.npy', bytes: npy(body), ...more })
/** incompressible, so that it spans many chunks */
const noise = Float32Array.from({ length: 60_000 }, (_, i) => Math.sin(i * i))
const large = npy(new Uint8Array(noise.buffer), { shape: '(60000,)' })

describe('an archive', () => {
  const REFUSED: readonly [string, Uint8Array, ErrorCode, RegExp][] = [
    ['without members', zip([]), 'dataset_not_npz', /holds no arrays/],
    ['with a member that is no array', zip([x(), x({ name: 'run.sh' })]), 'dataset_not_npz', /"run.sh" is not a .npy/],
    ['with the same array twice', zip([x(), x()]), 'dataset_not_npz', /two arrays "x"/],
    ['with an encrypted member', zip([x({ flags: 1, deflate: true })]), 'dataset_not_npz', /encrypted/],
    ['with an unknown compression', zip([x({ method: 12 })]), 'dataset_not_npz', /method 12/],
    ['with more members than arrays ever are', zip(Array(1001).fill(x())), 'dataset_not_npz', /1001 members/],
    [
      'that would expand to 20 GB',
      zip([x({ zip64: true, size: 20e9, deflate: true })]),
      'dataset_not_npz',
      /expand to/,
    ],
    [
      'with a member that says it is longer',
      zip([x({ size: 999, deflate: true })]),
      'dataset_array_invalid',
      /999|hold/,
    ],
    [
      'with a member that is longer than it says',
      zip([{ name: 'x.npy', bytes: Buffer.concat([large, large]), size: large.length, deflate: true }]),
      'dataset_not_npz',
      /"x" is damaged: too many bytes/,
    ],
    [
      'with a damaged stream',
      zip([{ name: 'x.npy', bytes: large, deflate: true, damage: (data) => data.fill(255, data.length >> 1) }]),
      'dataset_not_npz',
      /"x" is damaged/,
    ],
    [
      'with a damaged element',
      zip([{ name: 'x.npy', bytes: large, damage: (data) => data.writeFloatLE(7, data.length - 100) }]),
      'dataset_not_npz',
      /checksum of "x"/,
    ],
  ]
  for (const [what, bytes, code, detail] of REFUSED) {
    test(`${what} is refused`, async () => {
      const error = await refusal(bytes)
      assert.deepEqual([error.code, detail.test(error.message)], [code, true], error.message)
    })
  }

  test('may be zip64 and have small lies in fields that nobody reads', async () => {
    const { samples } = await inspect(zip([x({ zip64: true }), x({ name: '__proto__.npy', deflate: true })]))
    assert.equal(samples, 3)
  })

  test('stored or compressed, cut at any byte, is refused', async () => {
    for (const whole of [zip([x(), x({ name: 'y.npy' })]), zip([x({ deflate: true })])]) {
      for (let length = 0; length < whole.length; length++) {
        const { code } = await refusal(whole.subarray(0, length))
        assert.match(code, /^dataset_(not_npz|array_invalid)$/, `${length} of ${whole.length}`)
      }
    }
  })

  test('with any one byte changed is refused in words, or says the same', async () => {
    const whole = zip([x({ deflate: true }), x({ name: 'y.npy' })])
    for (let at = 0; at < whole.length; at++) {
      const bytes = Buffer.from(whole)
      bytes[at] = bytes[at]! ^ 0xff
      await inspect(bytes).catch((error) => assert.ok(error instanceof FewbitError, `${at}: ${(error as Error).stack}`))
    }
  })
})

describe('the samples and labels', () => {
  const int = (values: readonly number[], shape: string): Buffer =>
    npy(new Uint8Array(Int32Array.from(values).buffer), { descr: '<i4', shape })
  const REFUSED: readonly [string, readonly ZipMember[], ErrorCode, RegExp][] = [
    [
      'of labels alone',
      [{ name: 'labels.npy', bytes: int([1], '(1,)') }],
      'dataset_array_invalid',
      /besides the labels/,
    ],
    ['of a scalar', [{ name: 'x.npy', bytes: int([1], '()') }], 'dataset_array_invalid', /"x" is a scalar/],
    ['of no samples', [{ name: 'x.npy', bytes: int([], '(0, 8)') }], 'dataset_array_invalid', /no samples/],
    [
      'of two lengths',
      [x(), { name: 'y.npy', bytes: int([1, 2], '(2,)') }],
      'dataset_array_invalid',
      /"y" has 2.*"x" has 3/,
    ],
    [
      'that are too few',
      [x(), { name: 'labels.npy', bytes: int([1], '(1,)') }],
      'dataset_labels_invalid',
      /1 entries for 3/,
    ],
    [
      'of six axes',
      [x(), { name: 'labels.npy', bytes: int([1, 2, 3], '(3, 1, 1, 1, 1, 1)') }],
      'dataset_labels_invalid',
      /6 axes/,
    ],
  ]
  for (const [what, members, code, detail] of REFUSED) {
    test(`${what} are refused`, async () => {
      const error = await refusal(zip(members))
      assert.deepEqual([error.code, detail.test(error.message)], [code, true], error.message)
    })
  }

  test('of a sequence per sample are labels', async () => {
    const labels = { name: 'labels.npy', bytes: int([1, 2, 3, -1, 5, -1], '(3, 2)') }
    assert.deepEqual((await inspect(zip([x(), labels]))).labels, { dtype: 'int32', shape: [3, 2] })
  })

  const floats: readonly [string, (bytes: Buffer, at: number, value: number) => void, number][] = [
    ['<f4', (bytes, at, value) => bytes.writeFloatLE(value, 4 * at), 4],
    ['>f4', (bytes, at, value) => bytes.writeFloatBE(value, 4 * at), 4],
    ['<f8', (bytes, at, value) => bytes.writeDoubleLE(value, 8 * at), 8],
    ['>f8', (bytes, at, value) => bytes.writeDoubleBE(value, 8 * at), 8],
    ['<f2', (bytes, at, value) => bytes.writeUInt16LE(value > 0 ? 0x7c00 : 0x7e00, 2 * at), 2],
    ['>f2', (bytes, at, value) => bytes.writeUInt16BE(value > 0 ? 0x7c00 : 0x7e00, 2 * at), 2],
  ]
  for (const [descr, write, width] of floats) {
    for (const deflate of [false, true]) {
      test(`of ${descr}${deflate ? ', compressed,' : ''} with NaN or infinity are named by sample`, async () => {
        const perSample = 50_000
        for (const [value, fortran, sample] of [
          [Number.NaN, false, 2],
          [Number.POSITIVE_INFINITY, true, 1],
        ] as const) {
          const bytes = Buffer.alloc(3 * perSample * width)
          write(bytes, fortran ? 3 * 40_000 + sample : sample * perSample + 40_000, value)
          const member = { name: 'x.npy', bytes: npy(bytes, { descr, fortran, shape: `(3, ${perSample})` }), deflate }
          const error = await refusal(zip([member]))
          assert.deepEqual([error.code, error.message], ['dataset_not_finite', error.message])
          assert.match(error.message, new RegExp(`"x" holds NaN or infinity in sample ${sample}$`))
        }
      })
    }
  }
})
