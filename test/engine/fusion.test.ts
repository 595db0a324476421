/** Every operator that cpu-int8 lists becomes an integer kernel in the ONNX Runtime that is pinned here: nothing is left that converts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { float, int, ints, string } from '../../src/engine/ir/build.ts'
import type { Value } from '../../src/engine/ir/graph.ts'
import { float32, int64 } from '../../src/engine/ir/tensor.ts'
import { cpuInt8 } from '../../src/engine/targets/cpu-int8.ts'
import { randomData } from '../kit/data.ts'
import { runEngine } from '../kit/engine.ts'
import { type Builder, buildModel } from '../kit/model.ts'

type Make = (m: Builder, a: Value, b: Value) => Value

const only =
  (opType: string, attributes = {}): Make =>
  (m, a) =>
    m.node(opType, [a], { name: 'op', attributes })
const withShape =
  (opType: string, values: number[]): Make =>
  (m, a) =>
    m.node(opType, [a, m.constant('numbers', int64([values.length], values))], { name: 'op' })

/** One example each; a and b are results of convolutions, [1, 4, 6, 6]. */
const EXAMPLES: Readonly<Record<string, Make>> = {
  Conv: (m, a) => m.node('Conv', [a, m.weight('w_op', [4, 4, 1, 1])], { name: 'op' }),
  Gemm: (m, a) =>
    m.node('Gemm', [m.node('Flatten', [a], { name: 'flat' }), m.weight('w_op', [144, 8]), m.weight('b_op', [8])], {
      name: 'op',
    }),
  MatMul: (m, a) => m.node('MatMul', [a, m.weight('w_op', [6, 6])], { name: 'op' }),
  Add: (m, a, b) => m.node('Add', [a, b], { name: 'op' }),
  Mul: (m, a, b) => m.node('Mul', [a, b], { name: 'op' }),
  Relu: only('Relu'),
  Clip: (m, a) =>
    m.node('Clip', [a, m.constant('low', float32([], [-0.5])), m.constant('high', float32([], [0.5]))], { name: 'op' }),
  LeakyRelu: only('LeakyRelu', { alpha: float(0.1) }),
  Sigmoid: only('Sigmoid'),
  Softmax: only('Softmax', { axis: int(-1) }),
  AveragePool: only('AveragePool', { kernel_shape: ints([2, 2]), strides: ints([2, 2]) }),
  GlobalAveragePool: only('GlobalAveragePool'),
  Concat: (m, a, b) => m.node('Concat', [a, b], { name: 'op', attributes: { axis: int(1) } }),
  MaxPool: only('MaxPool', { kernel_shape: ints([2, 2]), strides: ints([2, 2]) }),
  Flatten: only('Flatten', { axis: int(2) }),
  Transpose: only('Transpose', { perm: ints([0, 1, 3, 2]) }),
  Reshape: withShape('Reshape', [1, 4, 4, 9]),
  Squeeze: (m, a) => m.node('Squeeze', [a, m.constant('axes', int64([1], [0]))], { name: 'op' }),
  Unsqueeze: withShape('Unsqueeze', [0]),
  Slice: (m, a) =>
    m.node(
      'Slice',
      [a, m.constant('s', int64([1], [1])), m.constant('e', int64([1], [5])), m.constant('x', int64([1], [2]))],
      { name: 'op' },
    ),
  Gather: (m, a) =>
    m.node('Gather', [a, m.constant('i', int64([2], [0, 2]))], { name: 'op', attributes: { axis: int(1) } }),
  Split: (m, a) => {
    const halves = [m.fresh('left'), m.fresh('right')]
    m.node('Split', [a], { name: 'op', attributes: { axis: int(1) }, outputs: halves })
    return m.node('Concat', halves, { name: 'joined', attributes: { axis: int(1) } })
  },
  Resize: (m, a) =>
    m.node('Resize', [a, null, m.constant('scales', float32([4], [1, 1, 2, 2]))], {
      name: 'op',
      attributes: {
        mode: string('nearest'),
        coordinate_transformation_mode: string('asymmetric'),
        nearest_mode: string('floor'),
      },
    }),
  DepthToSpace: only('DepthToSpace', { blocksize: int(2) }),
  Expand: withShape('Expand', [2, 4, 6, 6]),
  Tile: withShape('Tile', [1, 1, 2, 1]),
  ReduceMax: only('ReduceMax', { axes: ints([3]) }),
  ReduceMin: only('ReduceMin', { axes: ints([3]) }),
  Where: (m, a, b) =>
    m.node(
      'Where',
      [m.node('Less', [m.input('limit', [1, 4, 6, 6]), m.constant('zero', float32([], [0]))], { name: 'less' }), a, b],
      { name: 'op' },
    ),
}
/** removed by ONNX Runtime's folding before anybody sees it */
const NEVER_LEFT = ['Identity']

test('there is an example of every listed operator', () => {
  assert.deepEqual(
    Object.keys(EXAMPLES).toSorted(),
    Object.keys(cpuInt8.operators)
      .filter((name) => !NEVER_LEFT.includes(name))
      .toSorted(),
  )
})

for (const [opType, make] of Object.entries(EXAMPLES)) {
  test(`${opType} between integers runs on integers`, async () => {
    const m = buildModel(17)
    const x = m.input('x', [1, 4, 6, 6])
    const [a, b] = ['a', 'b'].map((name) => m.node('Conv', [x, m.weight(`w_${name}`, [4, 4, 1, 1])], { name }))
    const value = make(m, a!, b!)
    const last = m.node('MatMul', [value, m.weight('w_end', [lastDim(opType), 5])], { name: 'end' })
    m.output(last, 'y')
    const extra: Record<string, number[]> = opType === 'Where' ? { limit: [1, 4, 6, 6] } : {}
    const { report, plan } = await runEngine(m.bytes(), randomFeeds({ x: [1, 4, 6, 6], ...extra }))
    const planned = plan.nodes.find(({ node }) => node === 'op')
    assert.ok(planned?.quantized, JSON.stringify(planned))
    // one conversion at the input; the last MatMul writes float by itself
    assert.ok(report.metrics.coverage.conversions! <= 2, `${report.metrics.coverage.conversions} conversions are left`)
  })
}

/** Size of the last axis of each example's result. */
function lastDim(opType: string): number {
  const sizes: Record<string, number> = {
    Gemm: 8,
    AveragePool: 3,
    GlobalAveragePool: 1,
    MaxPool: 3,
    Flatten: 36,
    Reshape: 9,
    Resize: 12,
    DepthToSpace: 12,
    ReduceMax: 1,
    ReduceMin: 1,
  }
  return sizes[opType] ?? 6
}

function randomFeeds(shapes: Record<string, number[]>): Buffer {
  return randomData(24, shapes.x!.slice(1), {
    more: Object.fromEntries(
      Object.entries(shapes)
        .filter(([name]) => name !== 'x')
        .map(([name, shape]) => [name, shape.slice(1)]),
    ),
  })
}
