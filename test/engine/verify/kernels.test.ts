/** Multiply-accumulates are those of the kernels that ran: by hand for each kind of kernel, and against a plan that was not followed. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { int, ints } from '../../../src/engine/ir/build.ts'
import type { Dim, Value } from '../../../src/engine/ir/graph.ts'
import { executedInFloat } from '../../../src/engine/report/executed-in-float.ts'
import { openRuntime } from '../../../src/engine/runtime/ort.ts'
import { openWorkspace } from '../../../src/engine/runtime/workspace.ts'
import { executedMacs } from '../../../src/engine/verify/kernels.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { type Builder, buildModel } from '../../kit/model.ts'
import { inDirectory } from '../../kit/run.ts'

interface Case {
  /** of one sample, behind the axis of samples, which is free */
  shape: readonly number[]
  make: (m: Builder, x: Value) => Value
  macs: number
}

const padded = { pads: ints([1, 1, 1, 1]) }

/** Each as the half of a model whose other half, `PROBE`, has multiply-accumulates that are known. */
const CASES: Readonly<Record<string, Case>> = {
  'a convolution in blocks of channels': {
    shape: [16, 6, 6],
    make: (m, x) => m.node('Conv', [x, m.weight('w', [32, 16, 3, 3])], { attributes: padded }),
    macs: 32 * 36 * 16 * 9,
  },
  'a grouped convolution': {
    shape: [32, 6, 6],
    make: (m, x) => m.node('Conv', [x, m.weight('w', [32, 16, 3, 3])], { attributes: { ...padded, group: int(2) } }),
    macs: 32 * 36 * 16 * 9,
  },
  'a transposed convolution': {
    shape: [4, 5, 5],
    make: (m, x) =>
      m.node('ConvTranspose', [x, m.weight('w', [4, 8, 2, 2])], { attributes: { strides: ints([2, 2]) } }),
    macs: 4 * 25 * 8 * 4,
  },
  'a product with a transposed matrix': {
    shape: [24],
    make: (m, x) => m.node('Gemm', [x, m.weight('w', [40, 24])], { attributes: { transB: int(1) } }),
    macs: 24 * 40,
  },
  'products of activations': {
    shape: [3, 5, 8],
    make: (m, x) => m.node('MatMul', [x, m.node('Transpose', [x], { attributes: { perm: ints([0, 1, 3, 2]) } })]),
    macs: 3 * 5 * 5 * 8,
  },
  'a recurrent layer': {
    shape: [7, 6],
    make: (m, x) =>
      m.node(
        'LSTM',
        [
          m.node('Transpose', [x], { attributes: { perm: ints([1, 0, 2]) } }),
          m.weight('w', [1, 32, 6]),
          m.weight('r', [1, 32, 8]),
        ],
        { attributes: { hidden_size: int(8) } },
      ),
    macs: 7 * 32 * (6 + 8),
  },
}

const DEPTH = 10
const WIDTH = 50

describe('multiply-accumulates of one run', () => {
  for (const [name, { shape, make, macs }] of Object.entries(CASES))
    test(name, () =>
      inDirectory(async (directory) => {
        const m = buildModel(17)
        const dims: Dim[] = ['N', ...shape]
        m.output(make(m, m.input('x', dims)), 'y')
        // the other half is an integer kernel, so that its share tells the whole
        const integers = m.node('MatMulInteger', [
          m.input('q', ['N', DEPTH], 'uint8'),
          m.constant('i', integerMatrix()),
        ])
        m.output(integers, 'z', undefined, 'int32')
        const path = openWorkspace(directory).save('model.onnx', m.model)
        const samples = 2
        const found = await executedMacs(openRuntime(1), path, {
          x: {
            dtype: 'float32',
            dims: [samples, ...shape],
            data: new Float32Array(samples * product(shape)).fill(0.1),
          },
          q: { dtype: 'uint8', dims: [samples, DEPTH], data: new Uint8Array(samples * DEPTH).fill(3) },
        })
        const probe = DEPTH * WIDTH
        assert.ok(Math.abs(found!.integer! - probe / (probe + macs)) < 1e-9, `${found!.integer}`)
        assert.equal(found!.float.length, 1)
      }),
    )
})

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)
const integerMatrix = () => ({
  dtype: 'int8' as const,
  shape: [DEPTH, WIDTH],
  data: new Uint8Array(DEPTH * WIDTH).fill(1),
})

test('free dimensions besides the first have sizes in a run, so that the share is known', async () => {
  const m = buildModel(17)
  const x = m.input('x', ['N', 'L', 32])
  const first = m.node('MatMul', [x, m.weight('a', [32, 48])], { name: 'first' })
  m.output(m.node('MatMul', [m.node('Relu', [first]), m.weight('b', [48, 16])], { name: 'second' }), 'y')
  const { report } = await runEngine(m.bytes(), randomData(24, [6, 32]), { exclude: { nodes: ['second'] } })
  assert.ok(Math.abs(report.metrics.coverage.macs_integer! - 2 / 3) < 1e-9)
})

test('what was planned in integers and runs in float is told by name', () => {
  const float = [{ node: 'head', opType: 'Gemm', share: 0.6 }]
  const [warning] = executedInFloat(1, { integer: 0.4, float })
  assert.equal(warning!.code, 'executed_in_float')
  assert.match(warning!.detail, /100 % .* 40 % do: .*"head" \(Gemm, 60 %\)/)
  assert.deepEqual(executedInFloat(1, { integer: 0.98, float }), [])
  assert.deepEqual(executedInFloat(null, { integer: 0.4, float }), [])
})
