/** Weights in every form in which exporters write them: stored once, quantized once, never larger than what came. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { randomSource } from '../../src/engine/data/synthetic.ts'
import { int, ints } from '../../src/engine/ir/build.ts'
import { toFloat16 } from '../../src/engine/ir/float16.ts'
import { allGraphs, Graph, type Model, Node, Value } from '../../src/engine/ir/graph.ts'
import type { Operator } from '../../src/engine/ir/operators.ts'
import { bytesOf, float32, scalar, type Tensor, tensorOf, view } from '../../src/engine/ir/tensor.ts'
import { integerTensor } from '../../src/engine/quant/packed.ts'
import { randomData } from '../kit/data.ts'
import { runEngine } from '../kit/engine.ts'
import { type Builder, buildModel } from '../kit/model.ts'

const [K, N] = [64, 96]

const integers = (count: number, low: number, high: number): Int8Array => {
  const random = randomSource(5)
  return Int8Array.from({ length: count }, () => low + Math.round(random() * (high - low)))
}
const scales = (shape: readonly number[]): Tensor =>
  float32(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => 0.002 + 0.0001 * (i % 13)),
  )
const halves = (tensor: Tensor): Tensor => tensorOf('float16', tensor.shape, toFloat16(view(tensor, 'float32')))

/** [K, N] as int8 with a scale per column. */
const int8Weight = (m: Builder, shape: readonly number[] = [K, N], axis = 1): Value =>
  m.node(
    'DequantizeLinear',
    [
      m.constant('w_q', tensorOf('int8', shape, integers(K * N, -127, 127))),
      m.constant('w_scale', scales([shape[axis]!])),
      m.constant('w_zero', tensorOf('int8', [shape[axis]!], new Int8Array(shape[axis]!))),
    ],
    { attributes: { axis: int(axis) }, output: 'w' },
  )

interface Form {
  name: string
  opset?: number
  dtype?: 'float16' | 'float64'
  weight: (m: Builder, x: Value) => Value
}

/** Each gives y [N, 96] of x [N, 64]. */
const STORED: readonly Form[] = [
  { name: 'int8 per column', weight: (m, x) => m.node('MatMul', [x, int8Weight(m)]) },
  {
    name: 'int8 per row behind a Transpose',
    weight: (m, x) => m.node('MatMul', [x, m.node('Transpose', [int8Weight(m, [N, K], 0)])]),
  },
  {
    name: 'int8 in a Gemm with transB',
    weight: (m, x) =>
      m.node('Gemm', [x, int8Weight(m, [N, K], 0), m.weight('b', [N])], { attributes: { transB: int(1) } }),
  },
  {
    name: 'integers moved before they are dequantized',
    weight: (m, x) => {
      const moved = m.node('Transpose', [m.constant('w_q', tensorOf('int8', [N, K], integers(K * N, -127, 127)))])
      return m.node('MatMul', [x, m.node('DequantizeLinear', [moved, m.constant('s', scalar(0.004))])])
    },
  },
  {
    name: 'uint8 with a zero point',
    weight: (m, x) => {
      const q = tensorOf(
        'uint8',
        [K, N],
        Uint8Array.from(integers(K * N, -100, 100), (value) => value + 117),
      )
      const zero = m.constant('z', tensorOf('uint8', [], Uint8Array.of(117)))
      return m.node('MatMul', [
        x,
        m.node('DequantizeLinear', [m.constant('q', q), m.constant('s', scalar(0.004)), zero]),
      ])
    },
  },
  {
    name: 'float32 that is rounded in the graph',
    weight: (m, x) => {
      const [s, z] = [m.constant('s', scalar(0.01)), m.constant('z', tensorOf('int8', [], Int8Array.of(0)))]
      const q = m.node('QuantizeLinear', [m.weight('w', [K, N]), s, z])
      return m.node('MatMul', [x, m.node('DequantizeLinear', [q, s, z])])
    },
  },
  {
    name: 'int4 in blocks',
    opset: 21,
    weight: (m, x) => {
      const q = m.constant('q', integerTensor('int4', [K, N], integers(K * N, -8, 7)))
      const attributes = { axis: int(0), block_size: int(16) }
      return m.node('MatMul', [
        x,
        m.node('DequantizeLinear', [q, m.constant('s', scales([K / 16, N]))], { attributes }),
      ])
    },
  },
  {
    name: 'int8 with scales in half precision',
    opset: 19,
    dtype: 'float16',
    weight: (m, x) => {
      const q = m.constant('q', tensorOf('int8', [K, N], integers(K * N, -127, 127)))
      const s = m.constant('s', halves(scales([N])))
      return m.node('MatMul', [x, m.node('DequantizeLinear', [q, s], { attributes: { axis: int(1) } })])
    },
  },
]

function modelOf({ opset = 17, dtype, weight }: Form): Uint8Array {
  const m = buildModel(opset)
  const x = m.input('x', ['N', K], dtype ?? 'float32')
  m.output(weight(m, x), 'y', ['N', N], dtype ?? 'float32')
  return m.bytes()
}

const DATA = randomData(32, [K])
const METHODS = [
  { name: 'static', recipe: {}, least: 33 },
  { name: 'dynamic', recipe: { method: { type: 'dynamic' } }, least: 33 },
  { name: 'weight_only', recipe: { target: 'cpu-int4', method: { type: 'weight_only', bits: 8 } }, least: 33 },
  {
    name: 'weight_only qdq',
    recipe: { target: 'cpu-int4', method: { type: 'weight_only', format: 'qdq' } },
    least: 14,
  },
  { name: 'npu-qnn-htp', recipe: { target: 'npu-qnn-htp' }, least: 33 },
] as const

describe('weights behind DequantizeLinear', () => {
  for (const form of STORED)
    for (const { name, recipe, least } of METHODS)
      test(`${form.name}: ${name}`, async () => {
        const { report, plan } = await runEngine(modelOf(form), DATA, recipe)
        const product = plan.nodes.find(({ op_type }) => op_type === 'MatMul' || op_type === 'Gemm')
        assert.ok(product?.quantized, product?.reason)
        assert.deepEqual(report.metrics.target_conformance.violations, [])
        assert.ok(report.metrics.fidelity!.sqnr_db > least, `${report.metrics.fidelity!.sqnr_db} dB`)
      })

  test('integers per channel stay as they are where the target takes them', async () => {
    const { model } = await runEngine(modelOf(STORED[0]!), DATA)
    const [weight] = [...model.graph.initializers].filter(
      ({ tensor }) => tensor?.dtype === 'int8' && tensor.shape.length === 2,
    )
    assert.deepEqual(Int8Array.from(bytesOf(weight!.tensor!)), integers(K * N, -127, 127))
  })

  test('a layer that stays float keeps its integers in the file', async () => {
    const m = buildModel()
    const x = m.input('x', ['N', K])
    const hidden = m.node('MatMul', [x, int8Weight(m)], { name: 'kept' })
    m.output(m.node('MatMul', [hidden, m.weight('v', [N, 64])], { name: 'other' }), 'y', ['N', 64])
    const { model, report } = await runEngine(m.bytes(), DATA, { exclude: { nodes: ['kept'] } })
    assert.ok(report.metrics.size_bytes.ratio < 0.6, `${report.metrics.size_bytes.ratio}`)
    const [weight] = [...model.graph.initializers].filter(
      ({ tensor }) => tensor?.dtype === 'int8' && tensor.shape[1] === N,
    )
    assert.deepEqual(Int8Array.from(bytesOf(weight!.tensor!)), integers(K * N, -127, 127))
  })
})

const WAYS = [
  { name: 'static', recipe: {}, least: 30, largest: 0.5 },
  { name: 'dynamic', recipe: { method: { type: 'dynamic' } }, least: 30, largest: 0.5 },
  { name: 'weight_only', recipe: { target: 'cpu-int4', method: { type: 'weight_only' } }, least: 14, largest: 0.35 },
  {
    name: 'weight_only qdq',
    recipe: { target: 'cpu-int4', method: { type: 'weight_only', format: 'qdq' } },
    least: 14,
    largest: 0.35,
  },
  { name: 'npu-qnn-htp', recipe: { target: 'npu-qnn-htp' }, least: 30, largest: 0.5 },
  { name: 'edge-npu', recipe: { target: 'edge-npu' }, least: 30, largest: 0.5 },
]

const doubles = (tensor: Tensor): Tensor =>
  tensorOf('float64', tensor.shape, Float64Array.from(view(tensor, 'float32')))
const upperHalves = (tensor: Tensor): Tensor => {
  const bits = new Uint32Array(view(tensor, 'float32').slice().buffer)
  return tensorOf(
    'bfloat16',
    tensor.shape,
    Uint16Array.from(bits, (value) => value >>> 16),
  )
}
const TYPES = { float16: halves, float64: doubles, bfloat16: upperHalves } as const

describe('weights of rank 3 and more, in other types, and transposed', () => {
  for (const { name, recipe, least, largest } of WAYS) {
    for (const shape of [
      [4, 64, 48],
      [2, 2, 64, 48],
      [1, 64, 96],
    ])
      test(`rank ${shape.length} [${shape}]: ${name}`, async () => {
        const m = buildModel()
        const [rows, stack] = [5, shape.slice(0, -2)]
        const x = m.input('x', ['N', ...stack, rows, 64])
        m.output(m.node('MatMul', [x, m.weight('w', shape)], { name: 'product' }), 'y', [
          'N',
          ...stack,
          rows,
          shape.at(-1)!,
        ])
        const { report, plan } = await runEngine(m.bytes(), randomData(16, [...stack, rows, 64]), recipe)
        assert.ok(plan.nodes.find(({ node }) => node === 'product')?.quantized)
        assert.ok(report.metrics.fidelity!.sqnr_db > least, `${report.metrics.fidelity!.sqnr_db} dB`)
        assert.ok(report.metrics.size_bytes.ratio < largest, `${report.metrics.size_bytes.ratio}`)
      })

    for (const [dtype, convert] of Object.entries(TYPES))
      test(`${dtype}: ${name}`, async () => {
        const m = buildModel()
        const x = m.input('x', ['N', 128], dtype as 'float16')
        const typed = (tensor: Tensor) => convert(tensor)
        const w = m.constant('w', typed(m.weight('w32', [128, 96]).tensor!))
        const v = m.constant('v', typed(m.weight('v32', [96, 64]).tensor!))
        for (const value of [...m.model.graph.initializers])
          if (value.dtype === 'float32') m.model.graph.initializers.delete(value)
        const hidden = m.node('Relu', [m.node('MatMul', [x, w])])
        m.output(m.node('MatMul', [hidden, v]), 'y', ['N', 64], dtype as 'float16')
        const { report } = await runEngine(m.bytes(), randomData(32, [128]), recipe)
        assert.ok(report.metrics.fidelity!.sqnr_db > least, `${report.metrics.fidelity!.sqnr_db} dB`)
        assert.ok(report.metrics.size_bytes.ratio < 2 * largest, `${report.metrics.size_bytes.ratio}`)
      })

    test(`Gemm with transA: ${name}`, async () => {
      const m = buildModel()
      const x = m.input('x', [64, 'N'])
      const y = m.node('Gemm', [x, m.weight('w', [64, 96]), m.weight('b', [96])], {
        name: 'g',
        attributes: { transA: int(1) },
      })
      m.output(y, 'y', ['N', 96])
      const { report, plan } = await runEngine(m.bytes(), null, { input_shapes: { x: [64, 8] }, ...recipe })
      assert.ok(plan.nodes.find(({ node }) => node === 'g')?.quantized)
      assert.ok(report.metrics.fidelity!.sqnr_db > least, `${report.metrics.fidelity!.sqnr_db} dB`)
      assert.ok(report.metrics.size_bytes.ratio < largest + 0.05, `${report.metrics.size_bytes.ratio}`)
    })
  }
})

/** MatMul, clamp, MatMul: reads `x` and weights from outside. */
function branch(m: Builder, name: string, x: Value, w: Value, v: Value, clamp: Operator): Graph {
  const graph = new Graph(name)
  const [h, r, y] = ['h', 'r', 'y'].map((end) => new Value(`${name}_${end}`, 'float32'))
  graph.addNode(new Node(`${name}_1`, 'MatMul', '', [x, w], [h!]))
  graph.addNode(new Node(`${name}_2`, clamp, '', [h!], [r!]))
  graph.addNode(new Node(`${name}_3`, 'MatMul', '', [r!, v], [y!]))
  graph.outputs.push(y!)
  for (const value of [h, r, y]) m.model.names.add(value!.name)
  return graph
}

/** Both branches of an If read w and v; so does what follows, where `behind`. */
function branches(behind: boolean): Uint8Array {
  const m = buildModel()
  const [x, c] = [m.input('x', ['N', 64]), m.input('c', [], 'bool')]
  const [w, v] = [m.weight('w', [64, 96], 0.1), m.weight('v', [96, 64], 0.1)]
  const z = m.node('If', [c], {
    attributes: {
      then_branch: { kind: 'graph', value: branch(m, 'a', x, w, v, 'Relu') },
      else_branch: { kind: 'graph', value: branch(m, 'b', x, w, v, 'Tanh') },
    },
  })
  m.output(behind ? m.node('MatMul', [z, w]) : z, 'y', ['N', behind ? 96 : 64])
  return m.bytes()
}

const DATA_FREE = WAYS.filter(({ name }) => /dynamic|weight_only/.test(name))

describe('weights that several graphs read', () => {
  for (const { name, recipe, least, largest } of DATA_FREE)
    for (const behind of [false, true])
      test(`both branches of an If${behind ? ' and what follows' : ''}: ${name}`, async () => {
        const { report, model } = await runEngine(branches(behind), null, recipe)
        assert.ok(report.metrics.fidelity!.sqnr_db > least - 1, `${report.metrics.fidelity!.sqnr_db} dB`)
        assert.ok(report.metrics.size_bytes.ratio < largest, `${report.metrics.size_bytes.ratio}`)
        assert.equal(floatMatrices(model), 0)
      })
})

const floatMatrices = ({ graph }: Model): number =>
  [...allGraphs(graph)]
    .flatMap(({ initializers }) => [...initializers])
    .filter(({ tensor }) => tensor?.dtype === 'float32' && tensor.shape.length === 2 && tensor.data.length > 16_000)
    .length

/** One table that Gather reads and a product behind it. */
function tied(form: 'gemm' | 'transpose' | 'direct'): Uint8Array {
  const m = buildModel()
  const ids = m.input('ids', ['N', 5], 'int64')
  const table = m.weight('E', [500, 64])
  const rows = m.node('Gather', [table, ids])
  const mean = m.node('ReduceMean', [rows], { attributes: { axes: ints([1]), keepdims: int(0) } })
  const attributes = { transB: int(1) }
  const y =
    form === 'gemm'
      ? m.node('Gemm', [mean, table, m.weight('c', [500])], { attributes })
      : m.node('MatMul', [mean, m.node('Transpose', [table])])
  m.output(y, 'y', ['N', 500])
  return m.bytes()
}

describe('one table for Gather and a product', () => {
  for (const form of ['gemm', 'transpose'] as const) {
    for (const { name, recipe, largest } of [
      ...DATA_FREE,
      { name: 'static', recipe: {}, largest: 0.6 },
      {
        name: 'no embeddings',
        recipe: { target: 'cpu-int4', method: { type: 'weight_only', embeddings: false } },
        largest: 1,
      },
      { name: 'float16', recipe: { target: 'gpu-float16', method: { type: 'float16' } }, largest: 0.55 },
    ])
      test(`${form}: ${name}`, async () => {
        const run = runEngine(tied(form), null, recipe)
        if (name === 'no embeddings' || name === 'weight_only qdq') {
          await assert.rejects(run, /needed in float by/)
          return
        }
        const { report } = await run
        assert.ok(report.metrics.size_bytes.ratio < largest, `${report.metrics.size_bytes.ratio}`)
        assert.ok(report.metrics.fidelity!.sqnr_db > 14, `${report.metrics.fidelity!.sqnr_db} dB`)
      })
  }
})
