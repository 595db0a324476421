/** Whole networks as `.tflite`: layout, borders, signature, what is refused and what a damaged file gets. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { randomSource } from '../../../src/engine/data/synthetic.ts'
import { int, ints } from '../../../src/engine/ir/build.ts'
import { int64 } from '../../../src/engine/ir/tensor.ts'
import { lowerGraph, type Network, readFile, signatureOf } from '../../../src/engine/tflite/index.ts'
import { FewbitError } from '../../../src/shared/errors.ts'
import { type Builder, buildModel, convNet } from '../../kit/model.ts'
import { typedModel } from '../../kit/run.ts'
import { convert, distance, type Feeds, runLitert, runOnnx, typed } from '../../kit/tflite.ts'

const countOf = ({ operators }: Network, code: string) => operators.filter((operator) => operator.code === code).length

/** Convolution, pooling over places, Flatten of more than one place and a product: what needs a TRANSPOSE or a permuted weight. */
function network(finish: (m: Builder) => void = () => {}): Builder {
  const m = buildModel()
  const x = m.input('x', [1, 3, 8, 8])
  const conv = m.node('Conv', [x, m.weight('w', [4, 3, 3, 3])], {
    name: 'conv',
    attributes: { pads: ints([1, 1, 1, 1]) },
  })
  const pool = m.node('MaxPool', [m.node('Relu', [conv])], {
    attributes: { kernel_shape: ints([2, 2]), strides: ints([2, 2]) },
  })
  const y = m.node('Gemm', [m.node('Flatten', [pool], { name: 'flat' }), m.weight('head', [5, 64])], {
    attributes: { transB: int(1) },
  })
  m.output(y, 'y', [1, 5])
  finish(m)
  return m
}

function feeds(shape: readonly number[]): Feeds {
  const random = randomSource(5)
  return {
    x: { dtype: 'float32', dims: shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, random) },
  }
}

describe('layout', () => {
  test('a convolutional network has no TRANSPOSE: its input lies channels last, a flattened head has its weights permuted', async () => {
    const { model } = network()
    const converted = convert(await typed(model))
    assert.equal(countOf(converted.network, 'TRANSPOSE'), 0)
    assert.deepEqual(converted.network.inputs[0]?.tensor.shape, [1, 8, 8, 3])
    const x = feeds([1, 3, 8, 8])
    assert.ok(distance(await runOnnx(model, x), await runLitert(converted, x)) < 1e-4)
  })

  test('with images nchw the border is as in ONNX, for one TRANSPOSE', async () => {
    const { model } = network()
    const converted = convert(await typed(model), { images: 'nchw' })
    assert.equal(countOf(converted.network, 'TRANSPOSE'), 1)
    assert.deepEqual(converted.network.inputs[0]?.tensor.shape, [1, 3, 8, 8])
    const x = feeds([1, 3, 8, 8])
    assert.ok(distance(await runOnnx(model, x), await runLitert(converted, x)) < 1e-4)
  })

  test('a channel shuffle in five dimensions costs one TRANSPOSE', async () => {
    const m = buildModel()
    const x = m.input('x', [1, 4, 6, 6])
    const conv = m.node('Conv', [x, m.weight('w', [8, 4, 1, 1])])
    const split = m.node('Reshape', [conv, m.constant('five', int64List([1, 2, 4, 6, 6]))])
    const turned = m.node('Transpose', [split], { attributes: { perm: ints([0, 2, 1, 3, 4]) } })
    const back = m.node('Reshape', [turned, m.constant('four', int64List([1, 8, 6, 6]))])
    m.output(m.node('Conv', [back, m.weight('v', [2, 8, 3, 3])]), 'y', [1, 2, 4, 4])
    const converted = convert(await typed(m.model))
    assert.equal(countOf(converted.network, 'TRANSPOSE'), 1)
    const given = feeds([1, 4, 6, 6])
    assert.ok(distance(await runOnnx(m.model, given), await runLitert(converted, given)) < 1e-4)
  })

  test('a network with a residual connection converts', async () => {
    const model = await typedModel(convNet())
    for (const value of model.graph.inputs) value.shape = [1, 3, 16, 16]
    const converted = convert(await typed(model))
    assert.equal(countOf(converted.network, 'TRANSPOSE'), 0)
    const x = feeds([1, 3, 16, 16])
    assert.ok(distance(await runOnnx(model, x), await runLitert(converted, x)) < 1e-3)
  })
})

describe('the file', () => {
  test('keeps names, order and recipe', async () => {
    const { network: made, file } = convert(await typed(network().model))
    const read = readFile(file)
    assert.equal(read.version, 3)
    assert.deepEqual(
      read.signature_defs?.[0]?.inputs?.map(({ name }) => name),
      ['x'],
    )
    assert.deepEqual(
      read.signature_defs?.[0]?.outputs?.map(({ name }) => name),
      ['y'],
    )
    const metadata = read.metadata?.[0]
    const { data } = read.buffers?.[metadata?.buffer ?? 0] ?? {}
    assert.equal(metadata?.name, 'fewbit')
    assert.equal(Buffer.from(data as Uint8Array).toString(), 'a recipe')
    assert.equal(read.subgraphs?.[0]?.operators?.length, made.operators.length)
    assert.deepEqual(signatureOf(made).inputs[0], {
      name: 'x',
      index: 0,
      dtype: 'float32',
      shape: [1, 8, 8, 3],
      quantization: null,
      onnx: { shape: [1, 3, 8, 8], axes: [0, 2, 3, 1] },
    })
  })

  test('weights lie aligned to sixteen bytes', async () => {
    const { file } = convert(await typed(network().model))
    for (const { data } of readFile(file).buffers ?? [])
      if (data instanceof Uint8Array) assert.equal((data.byteOffset - file.byteOffset) % 16, 0)
  })

  test('cut off anywhere or damaged anywhere, it is read or refused with a reason, quickly', async () => {
    const { file } = convert(await typed(network().model))
    const random = randomSource(9)
    const damaged = () => {
      const copy = file.slice()
      for (let i = 0; i < 4; i++) copy[Math.floor(random() * Math.min(copy.length, 2000))] = Math.floor(random() * 256)
      return copy
    }
    const cut = Array.from({ length: 200 }, () => file.slice(0, Math.floor(random() * file.length)))
    let refused = 0
    for (const bytes of [...cut, ...Array.from({ length: 300 }, damaged), new Uint8Array(0)])
      try {
        readFile(bytes)
      } catch (error) {
        assert.ok(error instanceof FewbitError, String(error))
        assert.match(error.message, /\.tflite/)
        refused++
      }
    assert.ok(refused > 200, `${refused} refused`)
  })

  test('a file that names one table again and again is counted, not followed for ever', () => {
    assert.throws(() => readFile(bomb()), { code: 'model_too_complex' })
  })
})

describe('what cannot be written is refused by name', () => {
  test('an operator without a lowering', async () => {
    const m = buildModel()
    const x = m.input('x', [2, 3])
    m.output(m.node('Hardmax', [x], { name: 'h' }), 'y', [2, 3])
    const model = await typed(m.model)
    assert.throws(() => lowerGraph(model.graph, { io: 'int8', images: 'nhwc' }), {
      code: 'model_not_convertible',
      message: /Hardmax.*"h"/,
    })
  })

  test('a free dimension', async () => {
    const m = buildModel()
    const x = m.input('x', ['N', 3])
    m.output(m.node('Relu', [x], { name: 'r' }), 'y', ['N', 3])
    const model = await typed(m.model)
    assert.throws(() => lowerGraph(model.graph, { io: 'int8', images: 'nhwc' }), {
      code: 'model_not_convertible',
      message: /"x" has the shape \[N, 3\]/,
    })
  })

  test('a form of an operator', async () => {
    const m = buildModel()
    const x = m.input('x', [1, 2, 8, 8])
    m.output(
      m.node('MaxPool', [x], { name: 'p', attributes: { kernel_shape: ints([2, 2]), dilations: ints([2, 2]) } }),
      'y',
    )
    const model = await typed(m.model)
    assert.throws(() => lowerGraph(model.graph, { io: 'int8', images: 'nhwc' }), {
      message: /"p" \(MaxPool\).*dilated/,
    })
  })
})

const int64List = (values: readonly number[]) => int64([values.length], values)

/** A model whose subgraphs are one subgraph many times, whose tensors are one tensor a thousand times. */
function bomb(): Uint8Array {
  const [subgraphs, tensors] = [100_000, 1000]
  const subgraphList = 32
  const subgraph = subgraphList + 4 + 4 * subgraphs
  const tensorList = subgraph + 20
  const tensor = tensorList + 4 + 4 * tensors
  const bytes = new Uint8Array(tensor + 16)
  bytes.set(Buffer.from('TFL3'), 4)
  const view = new DataView(bytes.buffer)
  /** a list of fields in front of the table, which has one field in `slot` that points at `to` */
  const table = (at: number, slot: number, to: number | null) => {
    view.setUint16(at - 12, 6 + 2 * slot, true)
    view.setUint16(at - 10, 8, true)
    if (to !== null) view.setUint16(at - 12 + 4 + 2 * slot, 4, true)
    view.setInt32(at, 12, true)
    if (to !== null) view.setUint32(at + 4, to - at - 4, true)
  }
  const list = (at: number, count: number, to: number) => {
    view.setUint32(at, count, true)
    for (let i = 1; i <= count; i++) view.setUint32(at + 4 * i, to - at - 4 * i, true)
  }
  view.setUint32(0, 20, true)
  table(20, 2, subgraphList)
  list(subgraphList, subgraphs, subgraph + 12)
  table(subgraph + 12, 0, tensorList)
  list(tensorList, tensors, tensor + 12)
  table(tensor + 12, 0, null)
  return bytes
}
