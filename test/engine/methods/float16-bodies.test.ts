/** Half precision inside of If and Loop: types of values that cross the border, overflow, operators without such a form. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { int } from '../../../src/engine/ir/build.ts'
import { allGraphs, type Model, type Node, type Value } from '../../../src/engine/ir/graph.ts'
import { float32, int64 } from '../../../src/engine/ir/tensor.ts'
import { randomData } from '../../kit/data.ts'
import { type EngineResult, runEngine } from '../../kit/engine.ts'
import { type Builder, buildModel } from '../../kit/model.ts'

const WIDTH = 16
const HALF = { target: 'gpu-float16', method: { type: 'float16' } }

type Body = (own: Builder, carried: Value) => Value

/** x [N,16] → y [N,16]: three rounds of `body`, which reads and gives [N,16]. */
function looped(body: Body, prepare: (m: Builder, x: Value) => Value = (_, x) => x): Uint8Array {
  const m = buildModel()
  const x = m.input('x', ['N', WIDTH])
  const own = buildModel(17, 2)
  own.input('round', [], 'int64')
  const condition = own.input('go', [], 'bool')
  const carried = own.input('carried', ['N', WIDTH])
  own.output(own.node('Identity', [condition], { name: 'same' }), 'go_on', [], 'bool')
  own.output(body(own, carried), 'next', ['N', WIDTH])
  const rounds = m.constant('rounds', int64([], [3]))
  const y = m.node('Loop', [rounds, null, prepare(m, x)], {
    name: 'loop',
    attributes: { body: { kind: 'graph', value: own.model.graph } },
  })
  m.output(y, 'y', ['N', WIDTH])
  return m.bytes()
}

/** x [N,16] → y [N,16]: one of two products with a value from outside. */
function chosen(): Uint8Array {
  const m = buildModel()
  const x = m.input('x', ['N', WIDTH])
  const product = m.node('MatMul', [x, m.weight('w', [WIDTH, WIDTH])], { name: 'm' })
  const branch = (name: string, seed: number) => {
    const own = buildModel(17, seed)
    const sum = own.node('Add', [own.node('MatMul', [product, own.weight(`${name}_w`, [WIDTH, WIDTH])], { name }), x], {
      name: `${name}_sum`,
    })
    own.output(sum, `${name}_y`, ['N', WIDTH])
    return { kind: 'graph' as const, value: own.model.graph }
  }
  const most = m.node('ReduceMax', [x], { name: 'most', attributes: { keepdims: int(0) } })
  const isLarge = m.node('Greater', [most, m.constant('limit', float32([], [0.5]))], { name: 'is_large' })
  const attributes = { then_branch: branch('then', 2), else_branch: branch('else', 3) }
  m.output(m.node('If', [isLarge], { name: 'if', attributes }), 'y', ['N', WIDTH])
  return m.bytes()
}

const inside = ({ graph }: Model): Node[] =>
  [...allGraphs(graph)].filter((inner) => inner !== graph).flatMap(({ nodes }) => [...nodes])
const weightsInside = ({ graph }: Model): string[] =>
  [...allGraphs(graph)]
    .filter((inner) => inner !== graph)
    .flatMap(({ initializers }) => [...initializers].map(({ tensor }) => tensor!.dtype))
const casts = (nodes: readonly Node[]): Node[] => nodes.filter(({ opType }) => opType === 'Cast')
const reasonOf = ({ plan }: EngineResult, name: string) => plan.nodes.find(({ node }) => node === name)!

const product: Body = (own, carried) =>
  own.node('Tanh', [own.node('MatMul', [carried, own.weight('u', [WIDTH, WIDTH])], { name: 'u' })], { name: 'tanh' })

describe('bodies in float16', () => {
  for (const keep_io_types of [true, false]) {
    const recipe = { ...HALF, method: { ...HALF.method, keep_io_types } }

    test(`what a Loop carries, keep_io_types ${keep_io_types}`, async () => {
      const { model, report } = await runEngine(looped(product), randomData(20, [WIDTH]), recipe)
      assert.deepEqual(casts(inside(model)), [])
      assert.deepEqual(weightsInside(model), ['float16'])
      assert.equal(casts([...model.graph.nodes]).length, keep_io_types ? 2 : 0)
      assert.ok(report.metrics.fidelity!.sqnr_db > 45)
    })

    test(`what branches read from outside is converted once and there, keep_io_types ${keep_io_types}`, async () => {
      const { model, report } = await runEngine(chosen(), randomData(20, [WIDTH]), recipe)
      assert.deepEqual(casts(inside(model)), [])
      assert.ok(weightsInside(model).every((dtype) => dtype === 'float16'))
      assert.ok(report.metrics.fidelity!.sqnr_db > 45)
    })
  }

  test('a body that overflows stays float32, with its weights in half the bytes', async () => {
    const large: Body = (own, carried) => {
      const squared = own.node('Mul', [carried, own.constant('large', float32([], [40000]))], { name: 'grow' })
      const back = own.node('Mul', [squared, own.constant('small', float32([], [2.5e-5]))], { name: 'shrink' })
      return product(own, back)
    }
    const tripled = (m: Builder, x: Value) =>
      m.node('Mul', [x, m.constant('three', float32([], [3]))], { name: 'three_x' })
    const result = await runEngine(looped(large, tripled), randomData(20, [WIDTH]), HALF)
    assert.ok(result.report.metrics.fidelity!.sqnr_db > 45)
    assert.match(reasonOf(result, 'loop').reason, /a value inside of it reaches 1\.\d+e\+5, float16 ends at 65504/)
    assert.deepEqual(weightsInside(result.model).toSorted(), ['float16', 'float32', 'float32'])
  })

  test('an operator without such a form is fenced inside of the body', async () => {
    const celu: Body = (own, carried) => own.node('Celu', [product(own, carried)], { name: 'celu' })
    const result = await runEngine(looped(celu), randomData(20, [WIDTH]), HALF)
    assert.equal(casts(inside(result.model)).length, 2)
    assert.equal(reasonOf(result, 'loop').quantized, true)
    assert.ok(result.report.metrics.fidelity!.sqnr_db > 45)
  })
})
