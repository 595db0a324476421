/** Operators that exporters write in parts, and what integer-only targets without them compute instead. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { float, int, ints } from '../../../src/engine/ir/build.ts'
import type { Model, Value } from '../../../src/engine/ir/graph.ts'
import { float32, int64 } from '../../../src/engine/ir/tensor.ts'
import { fuseGelu } from '../../../src/engine/passes/fuse-gelu.ts'
import { fuseLayerNorm } from '../../../src/engine/passes/fuse-layer-norm.ts'
import { lastAxisNorms } from '../../../src/engine/passes/last-axis-norms.ts'
import { lowerNorms } from '../../../src/engine/passes/lower-norms.ts'
import { lowerSoftplus } from '../../../src/engine/passes/lower-softplus.ts'
import { raiseOpset } from '../../../src/engine/passes/newer-opsets.ts'
import { removeUnused } from '../../../src/engine/passes/remove-unused.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { type Builder, buildModel } from '../../kit/model.ts'
import { apply, oneNode, operatorsOf, sameResults } from '../../kit/passes.ts'

const typed = (value: Value, shape: readonly number[]) => Object.assign(value, { dtype: 'float32', shape })
const number = (m: Builder, x: number) => m.constant('c', float32([], [x]))
const nothingStays = () => false
const all = () => true

type Write = (m: Builder, x: Value) => Value

const SHAPE = [2, 3, 8]
const op = (m: Builder, opType: string, inputs: Value[], attributes = {}, shape = SHAPE) =>
  typed(m.node(opType, inputs, { attributes }), shape)

const erf = (m: Builder, root: Value) => op(m, 'Add', [op(m, 'Erf', [root]), number(m, 1)])
const cubic = (m: Builder, x: Value, cube: Value) =>
  op(m, 'Mul', [op(m, 'Add', [x, op(m, 'Mul', [cube, number(m, 0.044715)])]), number(m, 0.7978846)])
const tanh = (m: Builder, inner: Value) => op(m, 'Add', [number(m, 1), op(m, 'Tanh', [inner])])

const GELUS: Readonly<Record<string, Write>> = {
  'a half of the product': (m, x) => {
    const gate = erf(m, op(m, 'Div', [x, number(m, Math.SQRT2)]))
    return op(m, 'Mul', [op(m, 'Mul', [x, gate]), number(m, 0.5)])
  },
  'a product with a half of x': (m, x) => {
    const gate = erf(m, op(m, 'Mul', [x, number(m, Math.SQRT1_2)]))
    return op(m, 'Mul', [op(m, 'Mul', [x, number(m, 0.5)]), gate])
  },
  'a tanh of a power': (m, x) =>
    op(m, 'Mul', [op(m, 'Mul', [number(m, 0.5), x]), tanh(m, cubic(m, x, op(m, 'Pow', [x, number(m, 3)])))]),
  'a tanh of products': (m, x) => {
    const cube = op(m, 'Mul', [op(m, 'Mul', [x, x]), x])
    return op(m, 'Mul', [op(m, 'Mul', [x, tanh(m, cubic(m, x, cube))]), number(m, 0.5)])
  },
}

describe('Gelu', () => {
  for (const [name, write] of Object.entries(GELUS)) {
    test(`written as ${name} is one operator`, async () => {
      const model = oneNode(13, SHAPE, (m, x) => write(m, typed(x, SHAPE)))
      await sameResults(model, apply(fuseGelu(nothingStays), removeUnused), 1e-4)
      assert.deepEqual(operatorsOf(model), ['Gelu'])
      assert.equal(model.opsets.get(''), 20)
    })
  }

  test('another root, another half and a gate of another value are none', () => {
    for (const [root, half] of [
      [1.5, 0.5],
      [Math.SQRT2, 0.6],
    ] as const) {
      const model = oneNode(13, SHAPE, (m, x) => {
        const gate = erf(m, op(m, 'Div', [typed(x, SHAPE), number(m, root)]))
        return op(m, 'Mul', [op(m, 'Mul', [x, gate]), number(m, half)])
      })
      apply(fuseGelu(nothingStays))(model)
      assert.ok(!operatorsOf(model).includes('Gelu'))
    }
  })
})

interface Form {
  axis: number
  divide: (m: Builder, difference: Value, spread: Value, reduced: number[]) => Value
}

const FORMS: Readonly<Record<string, Form>> = {
  'the last axis': { axis: -1, divide: (m, d, spread) => op(m, 'Div', [d, spread]) },
  'the channels of an image': { axis: 1, divide: (m, d, spread) => op(m, 'Div', [d, spread]) },
  'a reciprocal': {
    axis: -1,
    divide: (m, d, spread, reduced) => op(m, 'Mul', [d, op(m, 'Reciprocal', [spread], {}, reduced)]),
  },
}

function layerNorm(m: Builder, x: Value, { axis, divide }: Form): Value {
  const reduced = SHAPE.map((dim, i) => (i === (axis + 3) % 3 ? 1 : dim))
  const broadcast = axis === 1 ? [3, 1] : [8]
  const mean = (value: Value) => op(m, 'ReduceMean', [value], { axes: ints([axis]), keepdims: int(1) }, reduced)
  const difference = op(m, 'Sub', [typed(x, SHAPE), mean(x)])
  const variance = mean(op(m, 'Mul', [difference, difference]))
  const moved = op(m, 'Add', [variance, number(m, 1e-5)], {}, reduced)
  const normal = divide(m, difference, op(m, 'Sqrt', [moved], {}, reduced), reduced)
  const scaled = op(m, 'Mul', [normal, m.weight('gain', broadcast)])
  return op(m, 'Add', [scaled, m.weight('shift', broadcast)])
}

describe('LayerNormalization', () => {
  for (const [name, form] of Object.entries(FORMS)) {
    test(`over ${name} is one operator`, async () => {
      const model = oneNode(13, SHAPE, (m, x) => layerNorm(m, x, form))
      await sameResults(model, apply(fuseLayerNorm(nothingStays), removeUnused), 1e-4)
      const core = operatorsOf(model).filter((type) => type !== 'Transpose')
      assert.deepEqual(core, ['LayerNormalization'])
    })
  }

  test('without the sum behind it has no bias, without the product a scale of one', async () => {
    const model = oneNode(17, SHAPE, (m, x) => {
      const whole = layerNorm(m, x, FORMS['the last axis'] as Form)
      const sum = whole.producer
      const [scaled] = sum?.inputs ?? []
      return scaled?.producer?.inputs[0] ?? whole
    })
    await sameResults(model, apply(fuseLayerNorm(nothingStays), removeUnused), 1e-4)
    assert.deepEqual(operatorsOf(model), ['LayerNormalization'])
  })
})

const has =
  (...missing: string[]) =>
  (opType: string) =>
    !missing.includes(opType)

const norm = (m: Builder, x: Value): Value =>
  m.node('LayerNormalization', [typed(x, SHAPE), m.weight('gain', [8]), m.weight('shift', [8])])

const instance = (m: Builder, x: Value): Value =>
  m.node('InstanceNormalization', [typed(x, [2, 3, 4, 5]), m.weight('gain', [3]), m.weight('shift', [3])], {
    attributes: { epsilon: float(1e-5) },
  })

describe('targets without a normalization', () => {
  const SHAPES = [
    ['LayerNormalization', norm, SHAPE],
    ['InstanceNormalization', instance, [2, 3, 4, 5]],
  ] as const
  for (const [name, write, shape] of SHAPES)
    for (const opset of [17, 18])
      for (const lacks of [[], ['LpNormalization']])
        test(`compute ${name} of operator set ${opset} ${lacks.length > 0 ? 'by a root' : 'by a length'}`, async () => {
          const model = oneNode(opset, shape, write)
          const abilities = { has: has(name, ...lacks), isPrescribed: true }
          await sameResults(model, apply(lowerNorms(abilities, nothingStays)), 2e-4)
          const written = operatorsOf(model)
          assert.ok(!written.includes(name))
          assert.equal(written.includes('LpNormalization'), lacks.length === 0)
        })

  test('go through the root where a prescribed scale is too coarse for a long vector', () => {
    const long = oneNode(17, [2, 3, 96], (m, x) =>
      m.node('LayerNormalization', [typed(x, [2, 3, 96]), m.weight('gain', [96])]),
    )
    apply(lowerNorms({ has: has('LayerNormalization'), isPrescribed: true }, nothingStays))(long)
    assert.ok(operatorsOf(long).includes('Sqrt'))
  })

  test('bring another axis to the end, where LpNormalization works', async () => {
    const model = oneNode(17, SHAPE, (m, x) =>
      m.node('LpNormalization', [typed(x, SHAPE)], { attributes: { axis: int(1) } }),
    )
    await sameResults(model, apply(lastAxisNorms(nothingStays)))
    assert.deepEqual(operatorsOf(model), ['Transpose', 'LpNormalization', 'Transpose'])
  })

  test('compute Softplus in parts, for large numbers too', async () => {
    const model = oneNode(17, SHAPE, (m, x) => m.node('Softplus', [op(m, 'Mul', [typed(x, SHAPE), number(m, 20)])]))
    await sameResults(model, apply(lowerSoftplus(has('Softplus'), nothingStays)), 1e-4)
    assert.ok(!operatorsOf(model).includes('Softplus'))
    const kept = oneNode(17, SHAPE, (m, x) => m.node('Softplus', [typed(x, SHAPE)]))
    apply(lowerSoftplus(all, nothingStays))(kept)
    assert.deepEqual(operatorsOf(kept), ['Softplus'])
  })
})

describe('newer operator sets', () => {
  const everyChange = (): Model => {
    const m = buildModel(13)
    const x = m.input('x', [2, 4, 6, 6])
    const grid = m.constant(
      'grid',
      float32(
        [2, 3, 3, 2],
        Float32Array.from({ length: 36 }, (_, i) => i / 36 - 0.5),
      ),
    )
    const sampled = m.node('GridSample', [x, grid], { attributes: {} })
    const halves = [m.fresh('a'), m.fresh('b')]
    m.node('Split', [x], { attributes: { axis: int(1) }, outputs: halves })
    const boxes = m.constant('boxes', float32([1, 4], [0, 0, 4, 4]))
    const aligned = m.node('RoiAlign', [x, boxes, m.constant('which', int64([1], [0]))])
    const names = ['ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceL2', 'ReduceLogSumExp']
    const reduced = names.map((type) =>
      m.node(type, [halves[0] as Value], { attributes: { axes: ints([2, 3]), keepdims: int(0) } }),
    )
    const outputs = [halves[1] as Value, aligned, sampled, ...reduced]
    outputs.forEach((value, i) => {
      m.output(value, `y${i}`)
    })
    m.model.opsets.set('', 16)
    return m.model
  }

  test('compute what the older ones did', async () => {
    await sameResults(everyChange(), (model) => assert.ok(raiseOpset(model, 20)))
  })

  test('are not entered where an operator has no equal there', () => {
    const model = oneNode(17, SHAPE, (m, x) => m.node('DFT', [x]))
    assert.equal(raiseOpset(model, 20), false)
    assert.equal(model.opsets.get(''), 17)
  })
})

/** A vision-like network whose norms and activations integer-only targets once left in float. */
function mixed(): Uint8Array {
  const m = buildModel(17)
  const x = m.input('x', ['N', 3, 8, 8])
  const conv = m.node('Conv', [x, m.weight('w', [8, 3, 3, 3]), m.weight('b', [8])], {
    attributes: { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) },
  })
  const normal = m.node('InstanceNormalization', [conv, m.weight('g', [8]), m.weight('h', [8])])
  const elu = m.node('Softplus', [m.node('Elu', [normal])])
  const pooled = m.node('Flatten', [m.node('GlobalAveragePool', [elu])])
  const hidden = m.node('Gemm', [pooled, m.weight('v', [8, 16]), m.weight('c', [16])])
  const layer = m.node('LayerNormalization', [hidden, m.weight('gain', [16]), m.weight('shift', [16])])
  const gate = m.node('Erf', [m.node('Div', [layer, m.constant('root', float32([], [Math.SQRT2]))])])
  const gelu = m.node('Mul', [
    m.node('Mul', [layer, m.node('Add', [gate, m.constant('one', float32([], [1]))])]),
    m.constant('half', float32([], [0.5])),
  ])
  const unit = m.node('LpNormalization', [gelu], { attributes: { axis: int(1) } })
  m.output(m.node('Gemm', [unit, m.weight('u', [16, 4])]), 'y', ['N', 4])
  return m.bytes()
}

for (const target of ['edge-npu', 'npu-ethos-u'] as const) {
  test(`nothing of a network with norms and activations breaks a rule of ${target}`, async () => {
    const { report } = await runEngine(mixed(), randomData(40, [3, 8, 8]), { target })
    assert.deepEqual(report.metrics.target_conformance.violations, [])
    assert.ok((report.metrics.fidelity?.sqnr_db ?? 0) > 25, `${report.metrics.fidelity?.sqnr_db} dB`)
  })
}
