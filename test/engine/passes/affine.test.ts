/** Factors, offsets and BatchNormalizations around every linear operator: what goes away, what stays, and that ONNX Runtime computes the same. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { int, ints } from '../../../src/engine/ir/build.ts'
import type { Value } from '../../../src/engine/ir/graph.ts'
import { float32 } from '../../../src/engine/ir/tensor.ts'
import { foldAffine } from '../../../src/engine/passes/affine/index.ts'
import { removeUnused } from '../../../src/engine/passes/remove-unused.ts'
import type { Builder } from '../../kit/model.ts'
import { apply, oneNode, operatorsOf, sameResults } from '../../kit/passes.ts'

const typed = (value: Value, shape: readonly number[]) => Object.assign(value, { dtype: 'float32', shape })

interface Layer {
  name: string
  /** what it reads and writes */
  input: readonly number[]
  output: readonly number[]
  /** shape of one number per channel it reads and writes */
  inputChannels: readonly number[]
  outputChannels: readonly number[]
  add: (m: Builder, x: Value) => Value
}

const pads = { pads: ints([1, 1, 1, 1]) }

const LAYERS: readonly Layer[] = [
  {
    name: 'Conv in groups',
    input: [2, 4, 5, 5],
    output: [2, 6, 3, 3],
    inputChannels: [4, 1, 1],
    outputChannels: [6, 1, 1],
    add: (m, x) =>
      m.node('Conv', [x, m.weight('w', [6, 2, 3, 3]), m.weight('b', [6])], { attributes: { group: int(2) } }),
  },
  {
    name: 'depthwise Conv without a bias',
    input: [1, 4, 5],
    output: [1, 4, 3],
    inputChannels: [1, 4, 1],
    outputChannels: [4, 1],
    add: (m, x) => m.node('Conv', [x, m.weight('w', [4, 1, 3])], { attributes: { group: int(4) } }),
  },
  {
    name: 'Gemm',
    input: [3, 4],
    output: [3, 5],
    inputChannels: [4],
    outputChannels: [1, 5],
    add: (m, x) => m.node('Gemm', [x, m.weight('w', [4, 5]), m.weight('b', [5])]),
  },
  {
    name: 'Gemm with its weight the other way round',
    input: [3, 4],
    output: [3, 5],
    inputChannels: [1, 4],
    outputChannels: [5],
    add: (m, x) => m.node('Gemm', [x, m.weight('w', [5, 4])], { attributes: { transB: int(1) } }),
  },
]

/** not without a border on the side that it reads */
const TRANSPOSED: Layer = {
  name: 'ConvTranspose in groups',
  input: [2, 4, 3, 3],
  output: [2, 6, 7, 7],
  inputChannels: [4, 1, 1],
  outputChannels: [1, 6, 1, 1],
  add: (m, x) =>
    m.node('ConvTranspose', [x, m.weight('w', [4, 3, 3, 3])], {
      attributes: { group: int(2), strides: ints([2, 2]) },
    }),
}

const PADDED: Layer = {
  name: 'padded Conv',
  input: [1, 2, 4, 4],
  output: [1, 3, 4, 4],
  inputChannels: [2, 1, 1],
  outputChannels: [3, 1, 1],
  add: (m, x) => m.node('Conv', [x, m.weight('w', [3, 2, 3, 3]), m.weight('b', [3])], { attributes: pads }),
}

const operatorOf = ({ name }: Layer) => name.match(/Conv\w*|Gemm/)?.[0]

type Around = (m: Builder, x: Value, shape: readonly number[], channels: readonly number[]) => Value

const factor: Around = (m, x, shape, channels) => typed(m.node('Mul', [m.weight('factor', channels), x]), shape)
const number: Around = (m, x, shape) => typed(m.node('Mul', [x, m.constant('n', float32([1], [-0.7]))]), shape)
const offset: Around = (m, x, shape, channels) => typed(m.node('Add', [x, m.weight('offset', channels)]), shape)
const both: Around = (m, x, shape) =>
  typed(m.node('Add', [number(m, x, shape, []), m.constant('o', float32([], [0.3]))]), shape)
const norm: Around = (m, x, shape, channels) => {
  const count = Math.max(...channels)
  const variance = m.constant(
    'variance',
    float32(
      [count],
      Float32Array.from({ length: count }, (_, i) => 0.5 + i),
    ),
  )
  const parameters = ['scale', 'shift', 'mean'].map((name) => m.weight(name, [count]))
  return typed(m.node('BatchNormalization', [x, ...parameters, variance]), shape)
}

function behind({ input, output, outputChannels, add }: Layer, change: Around) {
  return oneNode(17, input, (m, x) => change(m, typed(add(m, typed(x, input)), output), output, outputChannels))
}

function before({ input, inputChannels, output, add }: Layer, change: Around) {
  return oneNode(17, input, (m, x) => typed(add(m, change(m, typed(x, input), input, inputChannels)), output))
}

for (const layer of [...LAYERS, TRANSPOSED, PADDED]) {
  for (const [name, change] of Object.entries({ factor, number, offset, both, norm })) {
    test(`${layer.name}: ${name} behind it`, async () => {
      const model = behind(layer, change)
      await sameResults(model, apply(foldAffine, removeUnused))
      assert.deepEqual(operatorsOf(model), [operatorOf(layer)])
    })
  }
}

for (const layer of LAYERS) {
  for (const [name, change] of Object.entries({ number, offset, both, norm })) {
    test(`${layer.name}: ${name} in front of it`, async () => {
      const model = before(layer, change)
      await sameResults(model, apply(foldAffine, removeUnused))
      assert.equal(operatorsOf(model).length, 1, operatorsOf(model).join())
    })
  }
}

for (const layer of [PADDED, TRANSPOSED]) {
  test(`${layer.name}: a factor in front goes through the offset, which stays`, async () => {
    const model = before(layer, both)
    await sameResults(model, apply(foldAffine, removeUnused))
    assert.deepEqual(operatorsOf(model), ['Add', operatorOf(layer)])
  })
  test(`${layer.name}: a normalization in front stays`, async () => {
    const model = before(layer, norm)
    await sameResults(model, apply(foldAffine, removeUnused))
    assert.equal(operatorsOf(model).length, 2)
  })
}

test('a factor behind a product without a bias goes into the matrix, an offset stays', async () => {
  const model = oneNode(17, [2, 3, 4], (m, x) => {
    const product = typed(m.node('MatMul', [x, m.weight('w', [4, 5])]), [2, 3, 5])
    return offset(m, factor(m, product, [2, 3, 5], [5]), [2, 3, 5], [5])
  })
  await sameResults(model, apply(foldAffine, removeUnused))
  assert.deepEqual(operatorsOf(model), ['MatMul', 'Add'])
})

test('what others read too stays', async () => {
  const { input, output, outputChannels, inputChannels, add } = PADDED
  const model = oneNode(17, input, (m, x) => {
    const conv = typed(add(m, number(m, typed(x, input), input, inputChannels)), output)
    return m.node('Add', [conv, factor(m, conv, output, outputChannels)])
  })
  await sameResults(model, apply(foldAffine, removeUnused))
  assert.deepEqual(operatorsOf(model), ['Conv', 'Mul', 'Add'])
})

test('an offset that repeats what it is added to stays in front', async () => {
  const model = oneNode(17, [3, 1], (m, x) => {
    const sum = typed(m.node('Add', [typed(x, [3, 1]), m.weight('offset', [4])]), [3, 4])
    return m.node('Gemm', [sum, m.weight('w', [4, 5])])
  })
  await sameResults(model, apply(foldAffine, removeUnused))
  assert.deepEqual(operatorsOf(model), ['Add', 'Gemm'])
})

test('a matrix that two products read is not made twice', async () => {
  const model = oneNode(17, [3, 4], (m, x) => {
    const w = m.weight('w', [4, 4])
    const first = typed(m.node('MatMul', [x, w]), [3, 4])
    return m.node('MatMul', [factor(m, first, [3, 4], [4]), w])
  })
  await sameResults(model, apply(foldAffine, removeUnused))
  assert.deepEqual(operatorsOf(model), ['MatMul', 'Mul', 'MatMul'])
})
