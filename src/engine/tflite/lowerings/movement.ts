/** Operators that move numbers: most of them only rename axes. */
import type { Node, Value } from '../../ir/graph.ts'
import { at } from '../../ir/list.ts'
import { bring, emit, floats, int32s, integers, refuse, reshapeTo, type Stored } from '../emitter.ts'
import type { TensorNode } from '../network.ts'
import { arrange, gathered, identity, type Order, reshaped, transposed } from '../order.ts'
import { asOutput, isDequantize, isQuantize, type Site } from '../site.ts'
import type { Lowering, LoweringTable } from './define.ts'

const reshape = (examples: Lowering['examples']): Lowering => ({ lower: lowerReshape, examples })
const pass = (examples: Lowering['examples']): Lowering => ({
  keepsOrder: true,
  lower: (site) => site.forward(site.input(0)),
  examples,
})

export const MOVEMENT = {
  Reshape: reshape(['reshaped = Reshape(data[1,3,4,5], {1,12,5})', 'reshaped = Reshape(data[2,6], {3,4})']),
  Flatten: reshape(['output = Flatten(input[1,3,4,5])']),
  Squeeze: reshape(['squeezed = Squeeze(data[1,3,1,5], {2})']),
  Unsqueeze: reshape(['expanded = Unsqueeze(data[3,5], {0,2})']),
  Identity: pass(['output = Identity(input[1,3,4,5])']),
  Dropout: pass(['output = Dropout(data[1,3,4,5])']),
  Transpose: {
    lower: lowerTranspose,
    examples: ['transposed = Transpose(data[1,3,4,5], perm=[0,2,3,1])', 'transposed = Transpose(data[2,3])'],
  },
  Concat: {
    lower: lowerConcat,
    examples: [
      'concat_result = Concat(inputs0[1,3,4,5], inputs1[1,2,4,5], axis=1)',
      'concat_result = Concat(inputs0[2,3], inputs1[2,3], axis=-1)',
    ],
  },
  Pad: {
    keepsOrder: true,
    lower: lowerPad,
    refuses: refusesPad,
    examples: [
      'output = Pad(data[1,3,4,5], {0,0,1,1,0,0,2,1})',
      'output = Pad(data[1,3,4,5], {0,0,1,1,0,0,2,1}, 0.5)',
      "output = Pad(data[1,3,4,5], {0,0,1,1,0,0,2,1}, mode='reflect')",
    ],
  },
} as const satisfies LoweringTable

function lowerTranspose(site: Site): void {
  const { tensor, shape, order } = site.input(0)
  const perm = site.node.ints('perm') ?? [...identity(shape.length)].reverse()
  site.forward({ tensor, shape: arrange(shape, perm), order: transposed(order, perm) })
}

function lowerReshape(site: Site): void {
  const { emitter, node } = site
  const x = site.input(0)
  const to = site.outputShape()
  const order = reshaped(x.order, x.shape, to)
  const flattened = order ? null : flattening(node, x, to)
  if (flattened) {
    const tensor = reshapeTo(emitter, x.tensor, to)
    site.forward({ tensor, shape: to, order: identity(to.length), flattened })
  } else forwardReshaped(site, x, order ? x.order : gathered(x.order, x.shape, to))
}

/** From an order in which nothing more moves. */
function forwardReshaped(site: Site, x: Stored, order: Order): void {
  const to = site.outputShape()
  const after = reshaped(order, x.shape, to) ?? refuse(site.node, 'its shapes do not hold the same elements')
  const tensor = bring(site.emitter, x, order)
  site.forward({ tensor: reshapeTo(site.emitter, tensor, arrange(to, after)), shape: to, order: after })
}

/** What the last axis was, where [N, …] becomes [N, features] only for products with constant weights; null elsewhere. */
function flattening(node: Node, { shape, order }: Stored, to: readonly number[]): Stored['flattened'] | null {
  const isFlat = to.length === 2 && to[0] === shape[0] && order[0] === 0
  const output = node.outputs[0]
  if (!isFlat || !output || !readers(output).every(isProductOfWeights(output))) return null
  return { shape: shape.slice(1), order: order.slice(1).map((axis) => axis - 1) }
}

/** The nodes that read a value, on the other side of its pairs of QuantizeLinear and DequantizeLinear, with the name they know it by. */
function readers(value: Value): { node: Node; value: Value }[] {
  return [...value.consumers.keys()].flatMap((node) => {
    const [output] = node.outputs
    return output && (isQuantize(node) || isDequantize(node)) ? readers(output) : [{ node, value }]
  })
}

const isProductOfWeights =
  (flat: Value) =>
  ({ node, value }: { node: Node; value: Value }): boolean => {
    const isProduct = (node.opType === 'Gemm' && node.int('transA', 0) === 0) || node.opType === 'MatMul'
    const weight = node.inputs[1]
    const isConstant =
      weight?.isConstant || (isDequantize(weight?.producer ?? null) && weight?.producer?.inputs[0]?.isConstant)
    return isProduct && Boolean(isConstant) && node.inputs[0] === value && flat.shape?.length === 2
  }

function lowerConcat(site: Site): void {
  const { node, emitter } = site
  const operands = node.inputs.map((_, i) => site.input(i))
  const { order, shape } = operands.find(({ tensor }) => !tensor.data) ?? at(operands, 0)
  const axis = (node.int('axis', 0) + shape.length) % shape.length
  const inputs = operands.map((operand) => asOutput(site, bring(emitter, operand, order)))
  emit(emitter, 'CONCATENATION', inputs, [site.output(order)], {
    type: 'ConcatenationOptions',
    value: { axis: order.indexOf(axis) },
  })
}

const MODES: readonly string[] = ['constant', 'reflect']

function refusesPad(node: Node): string | null {
  const mode = node.string('mode', 'constant')
  if (!MODES.includes(mode)) return `its mode is "${mode}"`
  return node.inputs[3] ? 'its axes are an input' : null
}

function lowerPad(site: Site): void {
  const { node, emitter } = site
  const pads = site.numbers(1)
  if (!pads) refuse(node, 'its sizes are computed')
  if (pads.some((pad) => pad < 0)) refuse(node, 'it cuts off: a size is negative')
  const { tensor, order, shape } = site.input(0)
  const rank = shape.length
  const sizes = int32s(
    emitter,
    order.flatMap((axis) => [at(pads, axis), at(pads, axis + rank)]),
    [rank, 2],
  )
  const input = asOutput(site, tensor)
  const output = site.output(order)
  const value = site.has(2) ? paddedValue(site) : 0
  if (node.string('mode', 'constant') === 'reflect')
    emit(emitter, 'MIRROR_PAD', [input, sizes], [output], { type: 'MirrorPadOptions', value: { mode: 0 } })
  else if (value === 0) emit(emitter, 'PAD', [input, sizes], [output], { type: 'PadOptions', value: {} })
  else
    emit(emitter, 'PADV2', [input, sizes, filling(site, output, value)], [output], { type: 'PadV2Options', value: {} })
}

const filling = ({ emitter }: Site, { quantization }: TensorNode, value: number): TensorNode =>
  quantization
    ? integers(emitter, 'filling', Int8Array.of(quantize(value, quantization)), [], quantization)
    : floats(emitter, 'filling', [value], [])

const quantize = (
  value: number,
  { scales: [scale = 1], zeroPoints: [zero = 0] }: { scales: readonly number[]; zeroPoints: readonly number[] },
) => Math.max(-128, Math.min(127, Math.round(value / scale) + zero))

/** The number that fills; a quantized model has it behind a DequantizeLinear. */
function paddedValue(site: Site): number {
  const direct = site.numbers(2)
  if (direct) return direct[0] ?? 0
  const { tensor } = site.input(2)
  const { data, quantization } = tensor
  if (!(data instanceof Uint8Array) || !quantization || tensor.type !== 'int8')
    refuse(site.node, 'the number that fills is computed')
  const [q = 0] = new Int8Array(data.buffer, data.byteOffset, 1)
  return (q - (quantization.zeroPoints[0] ?? 0)) * (quantization.scales[0] ?? 1)
}
