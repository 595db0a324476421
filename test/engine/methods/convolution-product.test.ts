/** Convolutions as products of matrices: the same numbers in every form, and a reason for what is no product. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { int, ints, string } from '../../../src/engine/ir/build.ts'
import type { Attribute, Dim, Node } from '../../../src/engine/ir/graph.ts'
import { asProduct, refusesProduct } from '../../../src/engine/methods/convolution-product.ts'
import { randomData } from '../../kit/data.ts'
import { runEngine } from '../../kit/engine.ts'
import { type Builder, buildModel } from '../../kit/model.ts'
import { outputsOf, typedModel } from '../../kit/run.ts'

interface Form {
  image: readonly Dim[]
  kernel: readonly number[]
  attributes?: Record<string, Attribute>
  bias?: boolean
}

const strides = (...steps: number[]): Record<string, Attribute> => ({ strides: ints(steps) })

const PRODUCTS: Record<string, Form> = {
  'one element, in two dimensions': { image: [5, 6], kernel: [1, 1] },
  'one element, without a bias': { image: [5, 6], kernel: [1, 1], bias: false },
  'one element, in one dimension': { image: [7], kernel: [1] },
  'one element, in three dimensions': { image: [2, 3, 4], kernel: [1, 1, 1] },
  'one element with strides': { image: [5, 8], kernel: [1, 1], attributes: strides(2, 3) },
  'one element over an image of free size': { image: ['H', 'W'], kernel: [1, 1] },
  'one element, padded by nothing': { image: [5, 5], kernel: [1, 1], attributes: { auto_pad: string('SAME_UPPER') } },
  'one element, dilated': { image: [5, 5], kernel: [1, 1], attributes: { dilations: ints([2, 2]) } },
  patches: { image: [8, 12], kernel: [4, 4], attributes: strides(4, 4) },
  'patches that leave a rest': { image: [9, 14], kernel: [4, 3], attributes: strides(4, 3) },
  'patches of frames': { image: [12], kernel: [3], attributes: strides(3) },
  'patches of videos': { image: [2, 4, 6], kernel: [2, 2, 3], attributes: strides(2, 2, 3) },
  'patches across a free axis': { image: ['H', 6], kernel: [1, 3], attributes: strides(2, 3) },
  'a window as large as the image': { image: [3, 4], kernel: [3, 4] },
  'one window in an image that is a little larger': { image: [3, 4], kernel: [3, 3], attributes: strides(2, 2) },
}

const REFUSED: Record<string, [Form, RegExp]> = {
  'windows that overlap': [{ image: [5, 5], kernel: [3, 3] }, /overlap/],
  'windows with gaps': [{ image: [8, 8], kernel: [2, 2], attributes: strides(3, 3) }, /gaps/],
  groups: [{ image: [5, 5], kernel: [1, 1], attributes: { group: int(2) } }, /groups/],
  padding: [{ image: [8, 8], kernel: [4, 4], attributes: { ...strides(4, 4), pads: ints([1, 1, 1, 1]) } }, /pads/],
  'patches of a free image': [{ image: ['H', 'W'], kernel: [2, 2], attributes: strides(2, 2) }, /free size/],
  dilation: [
    { image: [9, 9], kernel: [2, 2], attributes: { ...strides(2, 2), dilations: ints([2, 2]) } },
    /dilated|overlap/,
  ],
}

const CHANNELS = 6

function convolution({ image, kernel, attributes = {}, bias = true }: Form): Builder {
  const m = buildModel()
  const groups = attributes.group?.kind === 'int' ? attributes.group.value : 1
  const weights = [m.weight('w', [4, CHANNELS / groups, ...kernel]), ...(bias ? [m.weight('b', [4])] : [])]
  m.output(m.node('Conv', [m.input('x', ['N', CHANNELS, ...image]), ...weights], { name: 'conv', attributes }), 'y', [
    'N',
    4,
    ...image.map(() => null),
  ])
  return m
}

const convolutionIn = (nodes: Iterable<Node>): Node => [...nodes].find(({ opType }) => opType === 'Conv')!

describe('a convolution as a product', () => {
  for (const [name, form] of Object.entries(PRODUCTS))
    test(name, async () => {
      const model = await typedModel(convolution(form).bytes())
      const expected = await outputsOf(model)
      const node = convolutionIn(model.graph.nodes)
      assert.equal(refusesProduct(node), null)
      const made = asProduct(model, model.graph, node)
      assert.deepEqual([made.opType, made.name], ['MatMul', 'conv'])
      const found = await outputsOf(model)
      assert.equal(found.length, expected.length)
      for (const [i, x] of found.entries())
        assert.ok(Math.abs(x - expected[i]!) < 1e-4, `${i}: ${x}, not ${expected[i]}`)
    })

  for (const [name, [form, reason]] of Object.entries(REFUSED))
    test(`not ${name}`, async () => {
      const { graph } = await typedModel(convolution(form).bytes())
      assert.match(refusesProduct(convolutionIn(graph.nodes)) ?? 'nothing', reason)
    })
})

const WIDTH = 128
const SIZE = 32

/** Patches, and a block of ConvNeXt's: x [N,3,32,32] → y [N,128,4,4]. */
function network(): Uint8Array {
  const m = buildModel()
  const x = m.input('x', ['N', 3, SIZE, SIZE])
  const conv = (name: string, input: typeof x, shape: readonly number[], attributes: Record<string, Attribute>) =>
    m.node('Conv', [input, m.weight(`${name}.w`, shape, 0.1), m.weight(`${name}.b`, [shape[0]!], 0.1)], {
      name,
      attributes,
    })
  const patches = conv('patches', x, [WIDTH, 3, 8, 8], strides(8, 8))
  const depthwise = conv('depthwise', patches, [WIDTH, 1, 3, 3], { group: int(WIDTH), pads: ints([1, 1, 1, 1]) })
  const wide = m.node('Relu', [conv('expand', depthwise, [4 * WIDTH, WIDTH, 1, 1], {})])
  const sum = m.node('Add', [patches, conv('reduce', wide, [WIDTH, 4 * WIDTH, 1, 1], {})])
  m.output(sum, 'y', ['N', WIDTH, SIZE / 8, SIZE / 8])
  return m.bytes()
}

describe('convolutions that are products', () => {
  for (const [target, method, least, largest, kernel] of [
    ['cpu-int8', { type: 'dynamic' }, 30, 0.3, 'MatMulInteger'],
    ['cpu-int4', { type: 'weight_only' }, 15, 0.2, 'MatMulNBits'],
    ['cpu-int4', { type: 'weight_only', bits: 8 }, 35, 0.34, 'MatMulNBits'],
    ['cpu-int4', { type: 'weight_only', format: 'qdq' }, 15, 0.2, 'DequantizeLinear'],
  ] as const) {
    test(`${JSON.stringify(method)} makes them small`, async () => {
      const { report, plan, model } = await runEngine(network(), randomData(40, [3, SIZE, SIZE]), { target, method })
      const quantized = plan.nodes.filter((node) => node.quantized).map(({ node }) => node)
      assert.deepEqual(quantized.toSorted(), ['expand', 'patches', 'reduce'])
      assert.match(plan.nodes.find(({ node }) => node === 'depthwise')!.reason, /groups/)
      assert.equal([...model.graph.nodes].filter(({ opType }) => opType === kernel).length, 3)
      assert.ok(report.metrics.fidelity!.sqnr_db > least, `${report.metrics.fidelity!.sqnr_db} dB`)
      assert.ok(report.metrics.size_bytes.ratio < largest, `${report.metrics.size_bytes.ratio} of the size`)
    })
  }

  test('an excluded one stays a convolution', async () => {
    const { model } = await runEngine(network(), null, { method: { type: 'dynamic' }, exclude: { nodes: ['expand'] } })
    assert.ok([...model.graph.nodes].some(({ name, opType }) => name === 'expand' && opType === 'Conv'))
  })

  test('a shallow one stays float in dynamic quantization, which says so', async () => {
    const m = buildModel()
    const x = m.input('x', ['N', 32, 8, 8])
    const shallow = m.node('Conv', [x, m.weight('a', [128, 32, 1, 1])], { name: 'shallow' })
    m.output(m.node('Conv', [shallow, m.weight('b', [64, 128, 1, 1])], { name: 'deep' }), 'y', ['N', 64, 8, 8])
    const { plan } = await runEngine(m.bytes(), null, { method: { type: 'dynamic' } })
    const reasons = Object.fromEntries(plan.nodes.map(({ node, quantized, reason }) => [node, { quantized, reason }]))
    assert.equal(reasons.deep!.quantized, true)
    assert.match(reasons.shallow!.reason, /with 32 numbers in a window/)
  })
})
