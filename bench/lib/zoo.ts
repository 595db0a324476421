/** Small networks of the kinds whose integers were slower than float: built here, so that anybody can time them. */
import { float, int, ints } from '../../src/engine/ir/build.ts'
import type { Attribute, Value } from '../../src/engine/ir/graph.ts'
import { float32, int64 } from '../../src/engine/ir/tensor.ts'
import { type Builder, buildModel } from '../../test/kit/model.ts'

export interface Subject {
  name: string
  bytes: Uint8Array
  /** of one sample of the input x */
  shape: readonly number[]
}

type Shape = readonly number[]
type Attributes = Record<string, Attribute>

const list = (m: Builder, name: string, numbers: Shape) => m.constant(name, int64([numbers.length], numbers))
const relu = (m: Builder, x: Value) => m.node('Relu', [x])
const ones = (m: Builder, size: number) => m.constant('gamma', float32([size], new Float32Array(size).fill(1)))

function conv(m: Builder, x: Value, [outputs, inputs, ...kernel]: Shape, attributes: Attributes = {}): Value {
  const depth = inputs! * kernel.reduce((a, b) => a * b, 1)
  const weights = [m.weight('w', [outputs!, inputs!, ...kernel], Math.sqrt(2 / depth)), m.weight('b', [outputs!], 0.1)]
  return m.node('Conv', [x, ...weights], { name: 'conv', attributes })
}

const same = (axes: number, pad: number): Attributes => ({ pads: ints(Array.from({ length: 2 * axes }, () => pad)) })

function linear(m: Builder, x: Value, from: number, to: number): Value {
  const product = m.node('MatMul', [x, m.weight('w', [from, to], Math.sqrt(1 / from))], { name: 'linear' })
  return m.node('Add', [product, m.weight('b', [to], 0.1)])
}

const head = (m: Builder, x: Value, from: number, to: number): Value =>
  m.node('Gemm', [x, m.weight('w', [from, to], Math.sqrt(1 / from)), m.weight('b', [to], 0.1)], { name: 'head' })

function subject(name: string, shape: Shape, build: (m: Builder, x: Value) => Value): Subject {
  const m = buildModel(17)
  m.output(build(m, m.input('x', ['N', ...shape])), 'y')
  return { name, shape, bytes: m.bytes() }
}

/** A recurrent cell as exporters unroll it: x·W + h·U + b at every step. */
function unrolled(m: Builder, x: Value, [steps, features, hidden]: readonly [number, number, number]): Value {
  const w = m.weight('w', [features, 4 * hidden], Math.sqrt(1 / features))
  const u = m.weight('u', [hidden, 4 * hidden], Math.sqrt(1 / hidden))
  const b = m.weight('b', [4 * hidden], 0.1)
  const take = (value: Value, axis: number, from: number, to: number) =>
    m.node('Slice', [value, list(m, 'from', [from]), list(m, 'to', [to]), list(m, 'axis', [axis])])
  let [h, c]: [Value | null, Value | null] = [null, null]
  for (let t = 0; t < steps; t++) {
    const now = m.node('Reshape', [take(x, 1, t, t + 1), list(m, 'shape', [-1, features])])
    const fromX = m.node('MatMul', [now, w], { name: `x${t}` })
    const sum = h ? m.node('Add', [fromX, m.node('MatMul', [h, u], { name: `h${t}` })]) : fromX
    const gates = m.node('Add', [sum, b])
    const gate = (i: number) => take(gates, 1, i * hidden, (i + 1) * hidden)
    const [i, f, o] = [0, 1, 2].map((g) => m.node('Sigmoid', [gate(g)])) as [Value, Value, Value]
    const fresh = m.node('Mul', [i, m.node('Tanh', [gate(3)])])
    c = c ? m.node('Add', [m.node('Mul', [f, c]), fresh]) : fresh
    h = m.node('Mul', [o, m.node('Tanh', [c])])
  }
  return h!
}

function transformer(m: Builder, x: Value, length: number, width: number, heads: number, blocks: number): Value {
  const norm = (v: Value) => m.node('LayerNormalization', [v, ones(m, width), m.weight('beta', [width], 0.1)])
  const split = (v: Value, perm: Shape) =>
    m.node('Transpose', [m.node('Reshape', [v, list(m, 'heads', [-1, length, heads, width / heads])])], {
      attributes: { perm: ints(perm) },
    })
  const attend = (v: Value) => {
    const [q, k, w] = [0, 1, 2].map(() => linear(m, v, width, width)) as [Value, Value, Value]
    const scores = m.node('MatMul', [split(q, [0, 2, 1, 3]), split(k, [0, 2, 3, 1])])
    const scaled = m.node('Mul', [scores, m.constant('scale', float32([], Float32Array.of((heads / width) ** 0.5)))])
    const mixed = m.node('MatMul', [m.node('Softmax', [scaled]), split(w, [0, 2, 1, 3])])
    const joined = m.node('Transpose', [mixed], { attributes: { perm: ints([0, 2, 1, 3]) } })
    return linear(m, m.node('Reshape', [joined, list(m, 'width', [-1, length, width])]), width, width)
  }
  const one = (value: number) => m.constant('number', float32([], Float32Array.of(value)))
  const gelu = (v: Value) => {
    const erf = m.node('Erf', [m.node('Div', [v, one(Math.SQRT2)])])
    return m.node('Mul', [m.node('Mul', [v, m.node('Add', [erf, one(1)])]), one(0.5)])
  }
  let v = x
  for (let block = 0; block < blocks; block++) {
    v = m.node('Add', [v, attend(norm(v))])
    v = m.node('Add', [v, linear(m, gelu(linear(m, norm(v), width, 4 * width)), 4 * width, width)])
  }
  return norm(v)
}

function vit(m: Builder, x: Value): Value {
  const [size, patch, width] = [64, 8, 192]
  const places = (size / patch) ** 2
  const patches = conv(m, x, [width, 3, patch, patch], { strides: ints([patch, patch]) })
  const flat = m.node('Reshape', [patches, list(m, 'flat', [-1, width, places])])
  const rows = m.node('Transpose', [flat], { attributes: { perm: ints([0, 2, 1]) } })
  const placed = m.node('Add', [rows, m.weight('position', [1, places, width], 0.1)])
  const mixed = transformer(m, placed, places, width, 3, 4)
  const mean = m.node('ReduceMean', [mixed], { attributes: { axes: ints([1]), keepdims: int(0) } })
  return head(m, mean, width, 10)
}

const pooled = (m: Builder, x: Value): Value => m.node('Flatten', [m.node('GlobalAveragePool', [x])])
const strided = (axes: number, stride: number): Attributes => ({ strides: ints(new Array<number>(axes).fill(stride)) })

/** An inverted bottleneck with squeeze and excitation. */
function bottleneck(m: Builder, x: Value, from: number, wide: number, to: number, stride: number): Value {
  const swish = (v: Value) => m.node('HardSwish', [v])
  const expanded = swish(conv(m, x, [wide, from, 1, 1]))
  const depthwise = swish(
    conv(m, expanded, [wide, 1, 3, 3], { ...same(2, 1), ...strided(2, stride), group: int(wide) }),
  )
  const squeezed = relu(m, conv(m, m.node('GlobalAveragePool', [depthwise]), [wide / 4, wide, 1, 1]))
  const excited = m.node('HardSigmoid', [conv(m, squeezed, [wide, wide / 4, 1, 1])], {
    attributes: { alpha: float(1 / 6), beta: float(0.5) },
  })
  const projected = conv(m, m.node('Mul', [depthwise, excited]), [to, wide, 1, 1])
  return from === to && stride === 1 ? m.node('Add', [projected, x]) : projected
}

function mobile(m: Builder, x: Value): Value {
  let v = m.node('HardSwish', [conv(m, x, [16, 3, 3, 3], { ...same(2, 1), ...strided(2, 2) })])
  const blocks = [
    [16, 64, 24, 2],
    [24, 72, 24, 1],
    [24, 96, 40, 2],
    [40, 120, 40, 1],
    [40, 240, 80, 2],
    [80, 240, 80, 1],
  ] as const
  for (const [from, wide, to, stride] of blocks) v = bottleneck(m, v, from, wide, to, stride)
  return head(m, pooled(m, m.node('HardSwish', [conv(m, v, [240, 80, 1, 1])])), 240, 10)
}

/** Dilated filters over a signal with residual sums. */
function temporal(m: Builder, x: Value): Value {
  let v = conv(m, x, [64, 8, 3], same(1, 1))
  for (const dilation of [1, 2, 4, 8]) {
    const wide = relu(m, conv(m, v, [64, 64, 3], { ...same(1, dilation), dilations: ints([dilation]) }))
    v = m.node('Add', [v, conv(m, wide, [64, 64, 1])])
  }
  return head(m, pooled(m, v), 64, 6)
}

/** Depthwise filters between gated products, as in a Conformer. */
function conformer(m: Builder, x: Value): Value {
  let v = conv(m, x, [96, 40, 3], same(1, 1))
  for (let block = 0; block < 3; block++) {
    const wide = conv(m, v, [192, 96, 1])
    const sigmoid = m.node('Sigmoid', [conv(m, v, [192, 96, 1])])
    const filtered = conv(m, m.node('Mul', [wide, sigmoid]), [192, 1, 15], { ...same(1, 7), group: int(192) })
    const swish = m.node('Mul', [filtered, m.node('Sigmoid', [filtered])])
    v = m.node('Add', [v, conv(m, swish, [96, 192, 1])])
  }
  return head(m, pooled(m, v), 96, 30)
}

/** Convolutions in groups whose channels are shuffled between them. */
function grouped(m: Builder, x: Value): Value {
  let v = relu(m, conv(m, x, [64, 3, 3, 3], { ...same(2, 1), ...strided(2, 2) }))
  for (let block = 0; block < 4; block++) {
    const first = relu(m, conv(m, v, [64, 8, 1, 1], { group: int(8) }))
    const apart = m.node('Reshape', [first, list(m, 'apart', [-1, 8, 8, 24, 24])])
    const turned = m.node('Transpose', [apart], { attributes: { perm: ints([0, 2, 1, 3, 4]) } })
    const shuffled = m.node('Reshape', [turned, list(m, 'joined', [-1, 64, 24, 24])])
    const deep = conv(m, shuffled, [64, 8, 3, 3], { ...same(2, 1), group: int(8) })
    v = relu(m, m.node('Add', [v, conv(m, deep, [64, 64, 1, 1])]))
  }
  return head(m, pooled(m, v), 64, 10)
}

function smallHead(m: Builder, x: Value): Value {
  const hidden = relu(m, head(m, x, 24, 32))
  return m.node('Softmax', [head(m, relu(m, head(m, hidden, 32, 32)), 32, 5)])
}

/** Blocks of depthwise filters, LayerNormalization and products as convolutions. */
function convNext(m: Builder, x: Value): Value {
  const width = 128
  let v = conv(m, x, [width, 3, 4, 4], strided(2, 4))
  for (let block = 0; block < 3; block++) {
    const filtered = conv(m, v, [width, 1, 7, 7], { ...same(2, 3), group: int(width) })
    const wide = relu(m, conv(m, filtered, [4 * width, width, 1, 1]))
    v = m.node('Add', [v, conv(m, wide, [width, 4 * width, 1, 1])])
  }
  return head(m, pooled(m, v), width, 10)
}

export const ZOO: readonly (() => Subject)[] = [
  () => subject('unrolled cell, 64 hidden', [12, 32], (m, x) => unrolled(m, x, [12, 32, 64])),
  () => subject('unrolled cell, 256 hidden', [8, 64], (m, x) => unrolled(m, x, [8, 64, 256])),
  () => subject('ViT', [3, 64, 64], vit),
  () => subject('text encoder', [32, 128], (m, x) => transformer(m, x, 32, 128, 4, 2)),
  () => subject('MobileNetV3', [3, 96, 96], mobile),
  () => subject('temporal convolutions', [8, 256], temporal),
  () => subject('Conformer convolutions', [40, 100], conformer),
  () => subject('grouped convolutions', [3, 48, 48], grouped),
  () => subject('small head', [24], smallHead),
  () => subject('ConvNeXt', [3, 64, 64], convNext),
]
