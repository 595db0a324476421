/** Operators that ONNX Runtime would inline, or that only its optimizer writes, as standard ones. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { float, int, string } from '../../../src/engine/ir/build.ts'
import type { Attribute, Dim, Model, Value } from '../../../src/engine/ir/graph.ts'
import { tensorOf } from '../../../src/engine/ir/tensor.ts'
import { encodeModel } from '../../../src/engine/onnx/index.ts'
import { standardOperators } from '../../../src/engine/passes/standard/index.ts'
import { type Builder, buildModel } from '../../kit/model.ts'
import { apply, oneNode, operatorsOf, sameResults } from '../../kit/passes.ts'
import { typedModel } from '../../kit/run.ts'

for (const [opset, parameters] of [
  [18, 2],
  [21, 4],
] as const) {
  for (const shape of [
    [2, 4, 3],
    [2, 4, 3, 5],
  ])
    test(`GroupNormalization of operator set ${opset} over [${shape}] is InstanceNormalization over groups`, async () => {
      const model = oneNode(opset, shape, (m, x) =>
        m.node('GroupNormalization', [x, m.weight('s', [parameters]), m.weight('b', [parameters])], {
          attributes: { num_groups: int(2) },
        }),
      )
      await sameResults(model, apply(standardOperators))
      const affine = parameters === 4 ? ['Mul', 'Add'] : []
      assert.deepEqual(
        operatorsOf(model).filter((name) => name !== 'Reshape'),
        ['InstanceNormalization', ...affine],
      )
    })
}

function groupNorm(shape: readonly Dim[]): Uint8Array {
  const m = buildModel(21)
  const x = m.node('Relu', [m.input('x', shape)])
  const inputs = [x, m.weight('s', [4]), m.weight('b', [4])]
  m.output(m.node('GroupNormalization', inputs, { attributes: { num_groups: int(2) } }), 'y', shape)
  return m.bytes()
}

test('folding leaves nothing but the norm and its affine part', async () => {
  const folded = await typedModel(groupNorm(['N', 4, 6, 'W']))
  const expected = ['Relu', 'Reshape', 'InstanceNormalization', 'Reshape', 'Mul', 'Add']
  assert.deepEqual(operatorsOf(folded), expected)
})

test('two free places take the shape at run time', async () => {
  const folded = await typedModel(groupNorm(['N', 4, 'H', 'W']))
  assert.deepEqual(operatorsOf(folded).filter((name) => name === 'Shape').length, 1)
  assert.ok(operatorsOf(folded).includes('InstanceNormalization'))
})

test('what ONNX Runtime inlines leaves no cast of a constant behind', async () => {
  const m = buildModel(24)
  m.output(m.node('Swish', [m.input('x', [2, 3])], { attributes: { alpha: { kind: 'float', value: 1.5 } } }), 'y')
  assert.deepEqual(operatorsOf(await typedModel(m.bytes())), ['Mul', 'Sigmoid', 'Mul'])
})

/** An operator of ONNX Runtime's own: what reads x, and what it becomes. */
interface Fused {
  name: string
  opset?: number
  shape: readonly number[]
  inputs?: (m: Builder, x: Value) => (Value | null)[]
  attributes?: Record<string, Attribute>
  becomes: string
}

const floats = (...value: number[]): Attribute => ({ kind: 'floats', value })
const image = (m: Builder, x: Value) => [x, m.weight('w', [4, 3, 3, 3]), m.weight('b', [4])]
const layer = (m: Builder, x: Value) => [x, m.weight('w', [8, 4]), m.weight('b', [4])]
const norm = (m: Builder, x: Value) => [
  x,
  m.weight('skip', [2, 3, 8]),
  m.weight('g', [8]),
  m.weight('b', [8], 1),
  m.weight('c', [8]),
]
const rms = (m: Builder, x: Value) => [x, m.weight('skip', [2, 3, 8]), m.weight('g', [8]), m.weight('c', [8])]
const heads = (mask?: (m: Builder) => Value) => (m: Builder, x: Value) => [
  x,
  m.weight('w', [8, 24]),
  m.weight('b', [24]),
  mask ? mask(m) : null,
]
const ATTENTION = 'Reshape Gemm Reshape Slice Reshape Transpose Slice Reshape Transpose MatMul Mul'

const FUSED: readonly Fused[] = [
  {
    name: 'FusedConv',
    shape: [1, 3, 6, 6],
    inputs: image,
    attributes: { activation: string('Relu') },
    becomes: 'Conv Relu',
  },
  {
    name: 'FusedConv',
    shape: [1, 3, 6, 6],
    inputs: (m, x) => [...image(m, x), m.weight('z', [1, 4, 4, 4])],
    attributes: { activation: string('LeakyRelu'), activation_params: floats(0.3) },
    becomes: 'Conv Add LeakyRelu',
  },
  {
    name: 'FusedConv',
    shape: [1, 3, 6, 6],
    inputs: image,
    attributes: { activation: string('Clip'), activation_params: floats(-0.2, 0.4) },
    becomes: 'Conv Clip',
  },
  {
    name: 'FusedConv',
    shape: [1, 3, 6, 6],
    inputs: image,
    attributes: { activation: string('HardSigmoid'), activation_params: floats(0.3, 0.4) },
    becomes: 'Conv HardSigmoid',
  },
  {
    name: 'FusedGemm',
    shape: [2, 8],
    inputs: layer,
    attributes: { activation: string('LeakyRelu'), activation_alpha: float(0.2), alpha: float(0.5) },
    becomes: 'Gemm LeakyRelu',
  },
  {
    name: 'FusedMatMul',
    shape: [2, 8, 3],
    inputs: (m, x) => [x, m.weight('w', [4, 8])],
    attributes: { transA: int(1), transB: int(1), alpha: float(0.25) },
    becomes: 'Transpose MatMul Mul',
  },
  { name: 'BiasGelu', shape: [2, 8], inputs: (m, x) => [x, m.weight('b', [8])], becomes: 'Add Div Erf Add Mul Mul' },
  { name: 'BiasGelu', opset: 20, shape: [2, 8], inputs: (m, x) => [x, m.weight('b', [8])], becomes: 'Add Gelu' },
  { name: 'FastGelu', shape: [2, 8], becomes: 'Pow Mul Add Mul Tanh Add Mul Mul' },
  { name: 'FastGelu', opset: 20, shape: [2, 8], inputs: (m, x) => [x, m.weight('b', [8])], becomes: 'Add Gelu' },
  { name: 'QuickGelu', shape: [2, 8], attributes: { alpha: float(1.5) }, becomes: 'Mul Sigmoid Mul' },
  { name: 'SkipLayerNormalization', shape: [2, 3, 8], inputs: norm, becomes: 'Add Add LayerNormalization' },
  { name: 'SkipLayerNormalization', opset: 12, shape: [2, 3, 8], inputs: norm, becomes: 'Add Add LayerNormalization' },
  {
    name: 'SkipSimplifiedLayerNormalization',
    shape: [2, 3, 8],
    inputs: rms,
    becomes: 'Add Add SimplifiedLayerNormalization',
  },
  {
    name: 'Attention',
    shape: [2, 5, 8],
    inputs: heads(),
    attributes: { num_heads: int(2) },
    becomes: `${ATTENTION} Softmax Slice Reshape Transpose MatMul Transpose Reshape`,
  },
  {
    name: 'Attention',
    opset: 12,
    shape: [2, 5, 8],
    inputs: heads((m) => m.constant('mask', tensorOf('int32', [2, 5], Int32Array.of(1, 1, 1, 0, 0, 1, 0, 1, 1, 1)))),
    attributes: { num_heads: int(2) },
    becomes: `${ATTENTION} Add Softmax Slice Reshape Transpose MatMul Transpose Reshape`,
  },
  {
    name: 'Attention',
    shape: [2, 5, 8],
    inputs: heads((m) => m.constant('ends', tensorOf('int32', [2], Int32Array.of(3, 5)))),
    attributes: { num_heads: int(4), scale: float(0.7) },
    becomes: `${ATTENTION} Add Softmax Slice Reshape Transpose MatMul Transpose Reshape`,
  },
]

const alone = (_: Builder, x: Value) => [x]

const prepared = (model: Model): Promise<Model> => typedModel(encodeModel(model))

for (const { name, opset = 17, shape, inputs = alone, attributes = {}, becomes } of FUSED) {
  test(`${name} of operator set ${opset} becomes ${becomes}`, async () => {
    const model = oneNode(opset, shape, (m, x) => {
      m.model.opsets.set('com.microsoft', 1)
      return m.node(name, inputs(m, x), { domain: 'com.microsoft', attributes })
    })
    let written: string[] = []
    await sameResults(model, async () => {
      const changed = await prepared(model)
      written = operatorsOf(changed)
      return changed
    })
    assert.deepEqual(written.toSorted(), becomes.split(' ').toSorted())
  })
}

test('the sum in front of a norm is a result of its own', async () => {
  const m = buildModel(17)
  m.model.opsets.set('com.microsoft', 1)
  const outputs = ['normal', 'mean', 'deviation', 'sum'].map((name) => m.fresh(name))
  const inputs = norm(m, m.input('x', [2, 3, 8]))
  m.node('SkipLayerNormalization', inputs, { domain: 'com.microsoft', outputs: outputs.map((value) => value) })
  m.model.graph.outputs.push(outputs[0]!, m.node('Relu', [outputs[3]!]), outputs[3]!)
  await sameResults(m.model, () => prepared(m.model))
})

test('the embeddings of BERT become tables, with the lengths of masks', async () => {
  const m = buildModel(12)
  m.model.opsets.set('com.microsoft', 1)
  const [ids, kinds, mask] = ['ids', 'kinds', 'mask'].map((name) => m.input(name, [2, 4], 'int32'))
  const tables = [m.weight('words', [2, 8]), m.weight('places', [6, 8]), m.weight('segments', [2, 8])]
  const outputs = [m.fresh('y'), m.fresh('lengths'), m.fresh('sum')]
  const inputs = [ids!, kinds!, ...tables, m.weight('g', [8]), m.weight('b', [8]), mask!]
  m.node('EmbedLayerNormalization', inputs, { domain: 'com.microsoft', outputs })
  m.model.graph.outputs.push(...outputs)
  await sameResults(m.model, async () => {
    const changed = await prepared(m.model)
    assert.ok(operatorsOf(changed).includes('LayerNormalization'))
    return changed
  })
})

test('what nothing else says stays one operator', async () => {
  const model = oneNode(17, [2, 5, 8], (m, x) => {
    m.model.opsets.set('com.microsoft', 1)
    return m.node('Attention', heads()(m, x), {
      domain: 'com.microsoft',
      attributes: { num_heads: int(2), unidirectional: int(1) },
    })
  })
  assert.deepEqual(operatorsOf(await prepared(model)), ['Attention'])
})
