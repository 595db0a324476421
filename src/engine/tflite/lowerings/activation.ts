/** Activations: one operator each, with the scale that TensorFlow Lite fixes for some of them. */
import { at } from '../../ir/list.ts'
import type { OperatorCode } from '../codes.ts'
import { bring, constant, emit, floats, integers, newTensor, quantizedAs, refuse } from '../emitter.ts'
import type { Quantization, TensorNode } from '../network.ts'
import { arrange, withLast } from '../order.ts'
import type { Options } from '../schema.ts'
import { asOutput, liftTo, type Site } from '../site.ts'
import type { Lowering, LoweringTable } from './define.ts'

const unary = (
  code: OperatorCode,
  examples: Lowering['examples'],
  { fixed, options }: { fixed?: Quantization; options?: (site: Site) => Options } = {},
): Lowering => ({
  keepsOrder: true,
  examples,
  lower: (site) => {
    const { tensor, order } = site.input(0)
    writeFixed(site, order, fixed, (output) => emit(site.emitter, code, [tensor], [output], options?.(site) ?? null))
  },
})

/** Kernels with an output scale of their own write that, and QUANTIZE makes of it what is asked for. */
function writeFixed(
  site: Site,
  order: readonly number[],
  fixed: Quantization | undefined,
  write: (output: TensorNode) => void,
): void {
  const wanted = site.parameters()
  if (!fixed || !wanted || isNear(wanted, fixed)) {
    write(site.output(order))
    return
  }
  const shape = site.outputShape()
  const tensor = { type: 'int8' as const, shape: arrange(shape, order), quantization: fixed }
  const own = newTensor(site.emitter, `${site.node.name}_own_scale`, tensor)
  write(own)
  site.forward({ tensor: quantizedAs(site.emitter, own, 'int8', wanted), shape, order })
}

const isNear = (a: Quantization, b: Quantization): boolean =>
  Math.fround(a.scales[0] ?? 0) === Math.fround(b.scales[0] ?? 0) && a.zeroPoints[0] === b.zeroPoints[0]

const scaled = (scale: number, zero: number): Quantization => ({ scales: [scale], zeroPoints: [zero], axis: 0 })

/** Over one axis, which these kernels want last. */
const overLastAxis = (
  code: OperatorCode,
  fixed: Quantization,
  options: Options,
  examples: Lowering['examples'],
): Lowering => ({
  examples,
  lower: (site) => {
    const { node, emitter } = site
    const stored = site.input(0)
    const rank = stored.shape.length
    const axis = (node.int('axis', -1) + rank) % rank
    const order = stored.order.at(-1) === axis ? stored.order : withLast(stored.order, axis)
    const input = bring(emitter, stored, order)
    writeFixed(site, order, fixed, (output) => emit(emitter, code, [input], [output], options))
  },
})

export const ACTIVATION = {
  Relu: unary('RELU', ['Y = Relu(X[1,3,4,5])']),
  Clip: {
    keepsOrder: true,
    lower: lowerClip,
    examples: [
      'output = Clip(input[1,3,4,5], 0.0, 6.0)',
      'output = Clip(input[2,6], -0.5, 0.5)',
      'output = Clip(input[2,6], 0.0)',
    ],
  },
  LeakyRelu: unary('LEAKY_RELU', ['Y = LeakyRelu(X[1,3,4,5], alpha=0.1)'], {
    options: ({ node }) => ({ type: 'LeakyReluOptions', value: { alpha: node.float('alpha', 0.01) } }),
  }),
  PRelu: { keepsOrder: true, lower: lowerPRelu, examples: ['Y = PRelu(X[1,3,4,5], slope[3,1,1])'] },
  Sigmoid: unary('LOGISTIC', ['Y = Sigmoid(X[1,3,4,5])'], { fixed: scaled(1 / 256, -128) }),
  Tanh: unary('TANH', ['output = Tanh(input[1,3,4,5])'], { fixed: scaled(1 / 128, 0) }),
  HardSwish: unary('HARD_SWISH', ['Y = HardSwish(X[1,3,4,5])'], {
    options: () => ({ type: 'HardSwishOptions', value: {} }),
  }),
  Softmax: overLastAxis('SOFTMAX', scaled(1 / 256, -128), { type: 'SoftmaxOptions', value: { beta: 1 } }, [
    'output = Softmax(input[2,6])',
    'output = Softmax(input[1,3,4,5], axis=1)',
  ]),
  LogSoftmax: overLastAxis('LOG_SOFTMAX', scaled(16 / 256, 127), { type: 'LogSoftmaxOptions', value: {} }, [
    'output = LogSoftmax(input[2,6])',
  ]),
} as const satisfies LoweringTable

/** The ranges that have an operator of their own. */
const RANGES: readonly { low: number; high: number; code: OperatorCode }[] = [
  { low: 0, high: Number.POSITIVE_INFINITY, code: 'RELU' },
  { low: 0, high: 6, code: 'RELU6' },
  { low: -1, high: 1, code: 'RELU_N1_TO_1' },
]

const BEYOND = 3e38

function boundOf(site: Site, index: number, fallback: number): number {
  if (!site.has(index)) return fallback
  const numbers = site.numbers(index)
  if (!numbers) refuse(site.node, 'a bound is computed')
  const bound = at(numbers, 0)
  return Math.abs(bound) >= BEYOND ? fallback : bound
}

function lowerClip(site: Site): void {
  const { emitter, isInteger } = site
  const [low, high] = [boundOf(site, 1, Number.NEGATIVE_INFINITY), boundOf(site, 2, Number.POSITIVE_INFINITY)]
  const { tensor, order } = site.input(0)
  const known = RANGES.find(
    (range) => range.low === low && range.high === high && !(isInteger && range.code === 'RELU_N1_TO_1'),
  )
  const output = site.output(order)
  if (known) emit(emitter, known.code, [tensor], [output])
  else clamp(site, tensor, output, [low, high])
}

/** Between bounds that have no operator of their own. */
function clamp(site: Site, tensor: TensorNode, output: TensorNode, [low, high]: [number, number]): void {
  const { emitter } = site
  const steps: [OperatorCode, number][] = [
    ['MAXIMUM', low],
    ['MINIMUM', high],
  ]
  const needed = steps.filter(([, bound]) => Number.isFinite(bound))
  if (needed.length === 0) needed.push(['MAXIMUM', -BEYOND])
  let current = asOutput(site, tensor)
  needed.forEach(([code, bound], i) => {
    const next = i === needed.length - 1 ? output : newTensor(emitter, `${output.name}_low`, output)
    emit(emitter, code, [current, boundLike(site, output, bound)], [next], { type: 'MaximumMinimumOptions', value: {} })
    current = next
  })
}

function boundLike({ emitter }: Site, { type, quantization }: TensorNode, bound: number): TensorNode {
  if (!quantization) return floats(emitter, 'bound', [bound], [])
  const [scale = 1] = quantization.scales
  const [zero = 0] = quantization.zeroPoints
  const q = Math.round(bound / scale) + zero
  if (type === 'int16')
    return integers(emitter, 'bound', Int16Array.of(Math.min(32767, Math.max(-32768, q))), [], quantization)
  return integers(emitter, 'bound', Int8Array.of(Math.min(127, Math.max(-128, q))), [], quantization)
}

/** PRELU takes slopes for all axes but the batch. */
function lowerPRelu(site: Site): void {
  const { node, emitter } = site
  const x = site.input(0)
  const slope = liftTo(site.input(1), x.shape.length)
  if (!slope.tensor.data) refuse(node, 'its slopes are computed')
  const moved = bring(emitter, slope, x.order)
  if (at(moved.shape, 0) !== 1) refuse(node, 'its slopes differ from sample to sample')
  const inner = constant(emitter, slope.tensor.name, { ...moved, shape: moved.shape.slice(1) })
  emit(emitter, 'PRELU', [x.tensor, inner], [site.output(x.order)])
}
