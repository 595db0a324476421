/** Targets as data: each is a profile that a user could have sent, and what is made for it obeys it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Recipe } from '../../src/contract/recipe.ts'
import { IntegerProfile } from '../../src/contract/target-profile.ts'
import { int, ints } from '../../src/engine/ir/build.ts'
import type { Model, Node } from '../../src/engine/ir/graph.ts'
import { float32, scalar, tensorOf, view } from '../../src/engine/ir/tensor.ts'
import { TARGETS, targetOf } from '../../src/engine/targets/index.ts'
import type { IntegerTarget } from '../../src/engine/targets/target.ts'
import { violationsOf } from '../../src/engine/verify/conformance/index.ts'
import { FewbitError } from '../../src/shared/errors.ts'
import { randomData } from '../kit/data.ts'
import { runEngine } from '../kit/engine.ts'
import { buildModel, convNet, IMAGE, mlp } from '../kit/model.ts'

const INTEGER = Object.values(TARGETS).filter((target): target is IntegerTarget => target.kind === 'integer')
const EVERYTHING: ReadonlySet<string> = new Set()

/** Convolution, activations with prescribed outputs, a concatenation and a matrix product: x [N,3,16,16] → y [N,10]. */
function branches(): Uint8Array {
  const m = buildModel()
  const x = m.input('x', ['N', ...IMAGE])
  const conv = (name: string) =>
    m.node('Conv', [x, m.weight(`${name}.w`, [8, 3, 3, 3]), m.weight(`${name}.b`, [8])], {
      name,
      attributes: { kernel_shape: ints([3, 3]), strides: ints([2, 2]) },
    })
  const sigmoid = m.node('Sigmoid', [conv('a')], { name: 'sigmoid' })
  const tanh = m.node('Tanh', [conv('b')], { name: 'tanh' })
  const relu = m.node('Relu', [conv('c')], { name: 'relu' })
  const joined = m.node('Concat', [sigmoid, tanh, relu], { name: 'concat', attributes: { axis: int(1) } })
  const pooled = m.node('MaxPool', [joined], {
    name: 'pool',
    attributes: { kernel_shape: ints([7, 7]), strides: ints([7, 7]) },
  })
  const flat = m.node('Flatten', [pooled], { name: 'flatten' })
  m.output(m.node('Gemm', [flat, m.weight('head', [24, 10])], { name: 'head' }), 'y', ['N', 10])
  return m.bytes()
}

const conversions = (model: Model, type = 'QuantizeLinear'): Node[] =>
  [...model.graph.nodes].filter(({ opType }) => opType === type)
const scaleOf = (node: Node): number => view(node.inputs[1]!.tensor!, 'float32')[0]!
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'succeeded',
    (error: unknown) => (error instanceof FewbitError ? error.code : String(error)),
  )

describe('targets', () => {
  for (const target of INTEGER) {
    test(`${target.id} survives JSON, and is a profile that a user may send under another name`, () => {
      const copy = JSON.parse(JSON.stringify(target)) as IntegerTarget
      assert.deepEqual(copy, target)
      assert.deepEqual(IntegerProfile.parse({ ...copy, id: 'mine' }), { ...target, id: 'mine' })
      assert.ok(Recipe.safeParse({ target: { ...copy, id: 'mine' }, method: { type: 'static' } }).success)
      assert.ok(!Recipe.safeParse({ target: copy, method: { type: 'static' } }).success, 'the name is taken')
    })

    test(`what is made for ${target.id} is legal and close to the float model`, async () => {
      for (const model of [convNet(), branches()]) {
        const { report } = await runEngine(model, randomData(60, IMAGE), { target: target.id })
        assert.deepEqual(report.metrics.target_conformance, { ok: true, violations: [] })
        assert.ok(report.metrics.fidelity!.sqnr_db > 20, `${report.metrics.fidelity!.sqnr_db} dB`)
      }
    })
  }

  test('integer-only targets leave nothing in float and fix the batch, with a warning', async () => {
    const { report, plan, model } = await runEngine(branches(), randomData(60, IMAGE), { target: 'edge-npu' })
    assert.ok(plan.nodes.every(({ quantized }) => quantized))
    assert.deepEqual(model.graph.inputs[0]!.shape, [1, ...IMAGE])
    assert.ok(report.warnings.some(({ code }) => code === 'shape_fixed'))
  })

  test('a dimension that nobody fixes is refused with the field that would', async () => {
    const m = buildModel()
    const x = m.input('x', ['N', 'L', 8])
    m.output(m.node('MatMul', [x, m.weight('w', [8, 4])], { name: 'm' }), 'y', ['N', 'L', 4])
    const data = randomData(20, [6, 8])
    assert.equal(await codeOf(runEngine(m.bytes(), data, { target: 'edge-npu' })), 'invalid_request')
    const { report } = await runEngine(m.bytes(), data, { target: 'edge-npu', input_shapes: { x: [1, 6, 8] } })
    assert.ok(report.metrics.target_conformance.ok)
    const wrong = { target: 'edge-npu', input_shapes: { x: [1, 6, 9] } }
    assert.equal(await codeOf(runEngine(m.bytes(), data, wrong)), 'invalid_request')
  })

  test('TensorFlow Lite rules: prescribed outputs are converted before they meet in one scale', async () => {
    const { model } = await runEngine(branches(), randomData(60, IMAGE), { target: 'npu-ethos-u' })
    const scales = new Set(conversions(model).map(scaleOf))
    assert.ok(scales.has(1 / 256) && scales.has(1 / 128))
    const concat = [...model.graph.nodes].find(({ name }) => name === 'concat')!
    const read = concat.inputs.map((value) => scaleOf(value!.producer!))
    assert.equal(new Set(read).size, 1)
  })

  test('power-of-two targets use nothing else', async () => {
    const { model } = await runEngine(convNet(), randomData(60, IMAGE), { target: 'npu-vitis-ai' })
    const all = [...conversions(model), ...conversions(model, 'DequantizeLinear')]
    for (const node of all) assert.ok(Number.isInteger(Math.log2(scaleOf(node))))
  })

  test('rows of a constant table have the scale of the table', async () => {
    const m = buildModel()
    const ids = m.input('ids', ['N', 4], 'int64')
    const rows = m.node('Gather', [m.weight('table', [40, 32]), ids], { name: 'pick' })
    m.output(m.node('MatMul', [rows, m.weight('w', [32, 8])], { name: 'm' }), 'y', ['N', 4, 8])
    for (const target of ['cpu-int8', 'npu-qnn-htp', 'npu-vitis-ai']) {
      const { report, plan } = await runEngine(m.bytes(), null, { target })
      assert.deepEqual(report.metrics.target_conformance.violations, [])
      assert.ok(plan.nodes.every(({ quantized }) => quantized))
    }
  })

  test('scales grow where shifts between layers would be longer than the hardware can do', async () => {
    const m = buildModel()
    const x = m.input('x', ['N', 4, 6, 6])
    const bias = m.constant('b', float32([4], [1, -1, 2, 0.5]))
    const conv = m.node('Conv', [x, m.weight('w', [4, 4, 1, 1], 1e-5), bias], { name: 'conv' })
    m.output(m.node('Conv', [conv, m.weight('w2', [4, 4, 1, 1])], { name: 'last' }), 'y', ['N', 4, 6, 6])
    const { report, model } = await runEngine(m.bytes(), randomData(60, [4, 6, 6]), { target: 'npu-vitis-ai' })
    assert.deepEqual(report.metrics.target_conformance.violations, [])
    const node = [...model.graph.nodes].find(({ name }) => name === 'conv')!
    const [input, weight] = [0, 1].map((index) => scaleOf(node.inputs[index]!.producer!))
    const output = scaleOf([...node.outputs[0]!.consumers.keys()][0]!)
    assert.ok(output / (input! * weight!) <= 2 ** 16)
  })

  test('TensorRT: symmetric inputs of weighted operators, float biases, float outputs', async () => {
    const { model } = await runEngine(convNet(), randomData(60, IMAGE), { target: 'gpu-tensorrt-int8' })
    for (const node of conversions(model)) assert.deepEqual([...view(node.inputs[2]!.tensor!, 'int8')], [0])
    for (const node of model.graph.nodes) {
      if (node.opType === 'Conv') assert.equal(node.inputs[2]!.tensor?.dtype, 'float32')
    }
  })

  test('16-bit activations are closer where the target has them, and refused where it has not', async () => {
    const data = randomData(60, IMAGE)
    const at = (activation_bits: number) =>
      runEngine(convNet(), data, { target: 'npu-qnn-htp', method: { type: 'static', activation_bits } })
    const [narrow, wide] = [await at(8), await at(16)]
    assert.ok(wide.report.metrics.target_conformance.ok)
    assert.ok(wide.report.metrics.fidelity!.sqnr_db > narrow.report.metrics.fidelity!.sqnr_db)
    const here = { target: 'cpu-int8', method: { type: 'static', activation_bits: 16 } }
    assert.equal(await codeOf(runEngine(convNet(), data, here)), 'target_method_mismatch')
  })

  test('fewer bits, fewer decibels: a profile of the user, validated like any other', async () => {
    const data = randomData(60, [8])
    const profile = (weightBits: number, activationBits: number) => ({
      id: 'mine',
      activation: { dtype: activationBits > 8 ? 'int16' : 'uint8', bits: activationBits, symmetric: false },
      weight: { dtype: weightBits > 8 ? 'int16' : 'int8', bits: weightBits, symmetric: true, granularity: 'channel' },
    })
    const scores: number[] = []
    for (const [w, a] of [
      [2, 4],
      [4, 8],
      [8, 8],
      [12, 14],
    ] as const) {
      const { report, model } = await runEngine(mlp(), data, { target: profile(w, a) })
      assert.deepEqual(report.metrics.target_conformance, { ok: true, violations: [] })
      const weights = [...model.graph.initializers].filter(({ name }) => name.startsWith('w') && name.endsWith('_q'))
      const largest = 2 ** (w - 1)
      for (const { tensor } of weights)
        assert.ok([...view(tensor!, w > 8 ? 'int16' : 'int8')].every((q) => Math.abs(q) < largest))
      scores.push(report.metrics.fidelity!.sqnr_db)
    }
    assert.deepEqual(
      scores,
      scores.toSorted((a, b) => a - b),
    )
  })

  test('4-bit weights are packed in pairs, legal, and half of what bytes take', async () => {
    const data = randomData(60, IMAGE)
    const profile = (dtype: string) => ({
      id: 'mine',
      activation: { dtype: 'uint8', symmetric: false },
      weight: { dtype, bits: 4, symmetric: true, granularity: 'channel' },
    })
    const packed = await runEngine(convNet({ width: 64 }), data, { target: profile('int4') })
    const bytes = await runEngine(convNet({ width: 64 }), data, { target: profile('int8') })
    assert.deepEqual(packed.report.metrics.target_conformance, { ok: true, violations: [] })
    assert.equal(packed.report.metrics.fidelity!.sqnr_db, bytes.report.metrics.fidelity!.sqnr_db)
    const sizes = [packed, bytes].map(({ report }) => report.metrics.size_bytes.quantized)
    assert.ok(sizes[0]! < 0.7 * sizes[1]!, sizes.join(' of '))
  })

  test('without a dot product no two neighbouring weights overflow, and no channel is narrowed by more than it needs', async () => {
    const { model } = await runEngine(convNet(), randomData(60, IMAGE), { target: 'cpu-int8-avx2' })
    const avx2 = targetOf('cpu-int8-avx2')
    assert.deepEqual(violationsOf(model, avx2, EVERYTHING), [])
    const plain = await runEngine(convNet(), randomData(60, IMAGE))
    const broken = violationsOf(plain.model, avx2, EVERYTHING)
    assert.ok(broken.length > 0 && broken.every(({ rule }) => rule === 'accumulator'))
    const scales = ({ graph }: Model) => {
      const block = [...graph.nodes].find(({ name }) => name === 'block')!
      return [...view(block.inputs[1]!.producer!.inputs[1]!.tensor!, 'float32')]
    }
    const [wide, narrow] = [scales(plain.model), scales(model)]
    assert.ok(narrow.every((scale, channel) => scale >= wide[channel]!))
    assert.ok(
      narrow.some((scale, channel) => scale < 1.7 * wide[channel]!),
      'less than a whole bit is given up',
    )
  })
})

describe('the validator', () => {
  const edge = targetOf('edge-npu')
  const made = () => runEngine(branches(), randomData(60, IMAGE), { target: 'edge-npu' })
  const rulesOf = (model: Model, target = edge) => [
    ...new Set(violationsOf(model, target, new Set(['x'])).map(({ rule }) => rule)),
  ]
  const weightOf = ({ graph }: Model): Node =>
    [...graph.nodes].find(({ opType, inputs }) => opType === 'DequantizeLinear' && inputs[0]?.name === 'a.w_q')!

  const BROKEN: readonly (readonly [string, (model: Model) => void])[] = [
    ['scale', (model) => (conversions(model)[0]!.inputs[1]!.tensor = scalar(-1))],
    [
      'activation.dtype',
      (model) => (conversions(model)[0]!.inputs[2]!.tensor = tensorOf('uint8', [], Uint8Array.of(3))),
    ],
    [
      'weight.symmetric',
      (model) => (weightOf(model).inputs[2]!.tensor = tensorOf('int8', [8], new Int8Array(8).fill(1))),
    ],
    ['weight.granularity', (model) => weightOf(model).attributes.set('axis', int(1))],
    [
      'bias',
      (model) => {
        const bias = [...model.graph.nodes].find(({ inputs }) => inputs[0]?.name === 'a.b_q')!
        bias.inputs[1]!.tensor = float32([8], new Float32Array(8).fill(0.5))
      },
    ],
    ['shapes', (model) => (model.graph.inputs[0]!.shape = ['N', ...IMAGE])],
    [
      'float_operators',
      (model) => {
        const concat = [...model.graph.nodes].find(({ name }) => name === 'concat')!
        const source = concat.inputs[0]!.producer!.inputs[0]!.producer!.inputs[0]!
        concat.setInput(0, source)
      },
    ],
  ]
  for (const [rule, damage] of BROKEN) {
    test(`finds a broken rule: ${rule}`, async () => {
      const { model } = await made()
      assert.deepEqual(rulesOf(model), [])
      damage(model)
      assert.ok(rulesOf(model).includes(rule), rulesOf(model).join())
    })
  }

  test('what is legal for one target is not for another, and says node, rule and source', async () => {
    const { model } = await made()
    assert.ok(rulesOf(model, targetOf('npu-vitis-ai')).includes('scale.power_of_two'))
    assert.ok(rulesOf(model, targetOf('gpu-tensorrt-int8')).includes('activation.symmetric'))
    const [first] = violationsOf(model, targetOf('npu-ethos-u'), EVERYTHING)
    assert.ok(first!.node && first!.rule && first!.detail && first!.source)
  })
})
