/** Cross-layer equalization changes weights and nothing that the network computes. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { layersOf } from '../../../src/engine/correct/channels.ts'
import { equalize } from '../../../src/engine/correct/equalize.ts'
import { float, int, ints } from '../../../src/engine/ir/build.ts'
import { cloneModel } from '../../../src/engine/ir/clone.ts'
import type { Value } from '../../../src/engine/ir/graph.ts'
import { float32, view } from '../../../src/engine/ir/tensor.ts'
import { extremes } from '../../../src/engine/quant/math.ts'
import { type Builder, buildModel } from '../../kit/model.ts'
import { outputsOf, typedModel } from '../../kit/run.ts'

const SIDE = 6

/** Weights whose output channels differ by a factor of `spread` in size. */
function uneven(m: Builder, name: string, shape: readonly number[], axis = 0, spread = 50): Value {
  const value = m.weight(name, shape)
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1)
  const scaled = view(value.tensor!, 'float32').map((w, i) => {
    const channel = Math.floor(i / inner) % shape[axis]!
    return w * spread ** ((channel % 5) / 4 - 0.5)
  })
  value.tensor = float32(shape, scaled)
  return value
}

const conv = (m: Builder, x: Value, name: string, shape: readonly number[], group = 1, op = 'Conv') =>
  m.node(
    op,
    [
      x,
      uneven(m, `${name}.weight`, shape, op === 'Conv' ? 0 : 1),
      m.weight(`${name}.bias`, [op === 'Conv' ? shape[0]! : shape[1]!]),
    ],
    {
      name,
      attributes: {
        group: int(group),
        kernel_shape: ints(shape.slice(2)),
        pads: ints(shape.slice(2).flatMap((k) => [(k - 1) / 2, (k - 1) / 2])),
      },
    },
  )

const image = (m: Builder) => m.input('x', ['N', 3, SIDE, SIDE])
const NETWORKS: Record<string, { pairs: number; build: () => Builder }> = {
  'convolutions with Relu': {
    pairs: 1,
    build: () => {
      const m = buildModel()
      const first = m.node('Relu', [conv(m, image(m), 'a', [8, 3, 3, 3])])
      m.output(conv(m, first, 'b', [4, 8, 1, 1]), 'y')
      return m
    },
  },
  'a depthwise triplet with LeakyRelu and PRelu': {
    pairs: 2,
    build: () => {
      const m = buildModel()
      const first = m.node('LeakyRelu', [conv(m, image(m), 'a', [10, 3, 1, 1])], { attributes: { alpha: float(0.1) } })
      const second = m.node('PRelu', [conv(m, first, 'b', [10, 1, 3, 3], 10), m.weight('slope', [10, 1, 1])])
      m.output(conv(m, second, 'c', [4, 10, 1, 1]), 'y')
      return m
    },
  },
  groups: {
    pairs: 1,
    build: () => {
      const m = buildModel()
      const first = m.node('Relu', [conv(m, image(m), 'a', [8, 3, 3, 3])])
      m.output(conv(m, first, 'b', [6, 4, 3, 3], 2), 'y')
      return m
    },
  },
  'a branch, a concatenation and pooling before it': {
    pairs: 3,
    build: () => {
      const m = buildModel()
      const squeezed = m.node('MaxPool', [m.node('Relu', [conv(m, image(m), 'a', [5, 3, 1, 1])])], {
        attributes: { kernel_shape: ints([2, 2]), strides: ints([2, 2]) },
      })
      const branches = [conv(m, squeezed, 'b', [4, 5, 1, 1]), conv(m, squeezed, 'c', [6, 5, 3, 3])]
      const joined = m.node(
        'Concat',
        branches.map((branch) => m.node('Relu', [branch])),
        { attributes: { axis: int(1) } },
      )
      m.output(conv(m, joined, 'd', [3, 10, 1, 1]), 'y')
      return m
    },
  },
  'a transposed convolution, global pooling, Flatten and Gemm': {
    pairs: 2,
    build: () => {
      const m = buildModel()
      const first = m.node('Relu', [conv(m, image(m), 'a', [6, 3, 3, 3])])
      const wide = conv(m, first, 't', [6, 4, 3, 3], 1, 'ConvTranspose')
      const pooled = m.node('Flatten', [m.node('GlobalAveragePool', [m.node('Relu', [wide])])])
      m.output(
        m.node('Gemm', [pooled, uneven(m, 'g', [5, 4], 1), m.weight('gb', [5])], { attributes: { transB: int(1) } }),
        'y',
      )
      return m
    },
  },
  'MatMul with an added bias': {
    pairs: 1,
    build: () => {
      const m = buildModel()
      const x = m.input('x', ['N', 3, SIDE, SIDE])
      const hidden = m.node('Add', [m.node('MatMul', [x, uneven(m, 'w1', [SIDE, 12], 1)]), m.weight('b1', [12])])
      m.output(m.node('MatMul', [m.node('Relu', [hidden]), m.weight('w2', [12, 4])]), 'y')
      return m
    },
  },
}

describe('cross-layer equalization', () => {
  for (const [name, { pairs, build }] of Object.entries(NETWORKS)) {
    test(`${name}: the same outputs, evener weights`, async () => {
      const model = await typedModel(build().bytes())
      const before = cloneModel(model)
      const found = equalize(model)
      assert.equal(found?.pairs, pairs)
      assert.ok(unevenness(found!.model) < unevenness(model))
      const [expected, now, untouched] = [
        await outputsOf(before),
        await outputsOf(found!.model),
        await outputsOf(model),
      ]
      assert.deepEqual(untouched, expected)
      const largest = Math.max(...expected.map(Math.abs))
      for (const [i, y] of expected.entries())
        assert.ok(Math.abs(y - now[i]!) < 1e-4 * largest, `${y} became ${now[i]}`)
    })
  }

  test('nothing is scaled where a bound, a sum or an output reads the channels', async () => {
    const m = buildModel()
    const x = image(m)
    const clipped = m.node('Clip', [conv(m, x, 'a', [8, 3, 1, 1]), null, m.constant('six', float32([], [6]))])
    const second = conv(m, clipped, 'b', [8, 8, 1, 1])
    m.output(conv(m, m.node('Add', [second, clipped]), 'c', [4, 8, 1, 1]), 'y')
    assert.equal(equalize(await typedModel(m.bytes())), null)
  })
})

/** Mean over the layers of the largest against the smallest output channel. */
function unevenness(model: Parameters<typeof equalize>[0]): number {
  const ratios = [...layersOf(model.graph).values()].map(({ weight, outputs, axis }) => {
    const values = view(weight.tensor!, 'float32')
    const inner = weight.tensor!.shape.slice(axis + 1).reduce((a, b) => a * b, 1)
    const ranges = new Float32Array(outputs)
    values.forEach((w, i) => {
      const channel = Math.floor(i / inner) % outputs
      ranges[channel] = Math.max(ranges[channel]!, Math.abs(w))
    })
    const [low, high] = extremes(ranges)
    return Math.log(high / low)
  })
  return ratios.slice(0, -1).reduce((a, b) => a + b, 0)
}
