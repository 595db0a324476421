/** Stage `quantize`: writes the plan into the graph as QuantizeLinear / DequantizeLinear pairs, integer weights and int32 biases. */

import type { Range } from '../calibrate/range.ts'
import { saturationOf } from '../correct/saturation.ts'
import { addInitializer, addNode, int } from '../ir/build.ts'
import { MICROSOFT } from '../ir/domain.ts'
import { freshName, type Graph, type Model, type Node, replaceUses, Value } from '../ir/graph.ts'
import { float32, scalar, type Tensor, tensorOf, view } from '../ir/tensor.ts'
import { absorbClamps } from '../plan/absorb.ts'
import { type GroupParameters, groupParameters, rangeOfParameters } from '../plan/parameters.ts'
import type { BiasPlan, ConstantPlan, Conversion, Plan } from '../plan/plan.ts'
import { fitShifts } from '../plan/shifts.ts'
import { scalesOnGrid } from '../quant/grid.ts'
import {
  clippingRange,
  extremes,
  QTYPES,
  type QType,
  type QuantSpec,
  quantizeBias,
  quantizePerChannel,
  quantizeTensor,
  type ScaleZeroPoint,
  scaleZeroPoint,
  scaleZeroPointOf,
  weightScaleForBias,
} from '../quant/math.ts'

/** Scale(s) and zero point of one tensor as they were written. */
export interface Parameters {
  qtype: QType
  spec: QuantSpec
  scales: Float32Array
  zeroPoint: number
  axis: number | null
}

interface Insertion {
  model: Model
  graph: Graph
  plan: Plan
  ranges: ReadonlyMap<string, Range>
  /** '' or com.microsoft */
  domain: string
  parameters: Map<Value, Parameters>
  /** integer constants that exist already, by value and form */
  constants: Map<string, { output: Value; parameters: Parameters }>
  /** scales below which a constant may not go */
  least: Map<ConstantPlan, number>
  /** parameters of a constant where a node reads it */
  uses: Map<Node, Map<number, Parameters>>
  pairs: Map<Value, Value>
}

/**
 * Rewrites the model as planned. Returns the parameters of every quantized value and constant, for the plan document; `pairs` is filled
 * with the result of every inserted Q/DQ pair and the planned value whose parameters it has.
 */
export function insertQuantization(
  model: Model,
  plan: Plan,
  ranges: ReadonlyMap<string, Range>,
  domain: string,
  pairs = new Map<Value, Value>(),
): Map<Value, Parameters> {
  const context: Insertion = {
    model,
    graph: model.graph,
    plan,
    ranges,
    domain,
    parameters: new Map(),
    constants: new Map(),
    least: new Map(),
    uses: new Map(),
    pairs,
  }
  const grouped = groupParameters(plan, ranges)
  if (plan.shifts)
    for (const [constant, scale] of fitShifts(plan, grouped, plan.shifts)) context.least.set(constant, scale)
  for (const value of plan.values.keys()) context.parameters.set(value, perTensor(grouped.get(value)!))
  for (const constant of plan.constants) insertConstant(context, constant, grouped.get(constant.value))
  for (const [node, bias] of plan.biases) insertBias(context, node, bias)
  for (const value of plan.values.keys()) insertPair(context, value)
  for (const conversion of plan.converts) insertConversion(context, conversion)
  absorbClamps(model.graph, plan.writers)
  return context.parameters
}

const perTensor = ({ scale, zeroPoint, spec }: GroupParameters): Parameters => ({
  qtype: spec.qtype,
  spec,
  scales: Float32Array.of(scale),
  zeroPoint,
  axis: null,
})

/** The constant's integers with a DequantizeLinear behind them, made once per form; widened scales make a form of their own. */
function insertConstant(context: Insertion, constant: ConstantPlan, tied: ScaleZeroPoint | undefined): void {
  const { node, index, value } = constant
  const widen = constant.role === 'weight' ? wideningFor(context, constant) : null
  const plain = formOf(context, constant, null, tied)
  const fits = widen === null || plain.parameters.scales.every((scale, channel) => widen(channel, scale) === scale)
  const { output, parameters } = fits ? plain : formOf(context, constant, widen)
  if (constant.role === 'activation') context.parameters.set(value, parameters)
  context.uses.set(node, (context.uses.get(node) ?? new Map()).set(index, parameters))
  node.setInput(index, output)
}

function formOf(
  context: Insertion,
  constant: ConstantPlan,
  widen: Widen | null,
  tied?: ScaleZeroPoint,
): { output: Value; parameters: Parameters } {
  const { value, qtype, bits, axis, symmetric, node } = constant
  const key = [value.name, qtype, bits, axis, symmetric, widen && node.name, tied?.scale].join('\0')
  const form = context.constants.get(key) ?? dequantizedConstant(context, constant, widen, tied)
  context.constants.set(key, form)
  return form
}

function dequantizedConstant(
  context: Insertion,
  constant: ConstantPlan,
  widen: Widen | null,
  tied: ScaleZeroPoint | undefined,
) {
  const { model, graph } = context
  const { tensor, name } = constant.value
  if (!tensor) throw new Error(`"${name}" is not a constant`)
  const { integers, parameters, zeroPoints } = quantizeWeight(tensor, constant.axis, constant, widen, tied)
  const quantized = addInitializer(model, graph, `${name}_q`, tensorOf(constant.qtype, tensor.shape, integers))
  const shape = parameters.axis === null ? [] : [parameters.scales.length]
  const scale = addInitializer(model, graph, `${name}_scale`, float32(shape, parameters.scales))
  const zeroPoint = addInitializer(model, graph, `${name}_zero_point`, tensorOf(constant.qtype, shape, zeroPoints))
  const output = dequantize(context, name, [quantized, scale, zeroPoint], parameters.axis)
  return { output, parameters }
}

type Widen = (channel: number, scale: number) => number

function quantizeWeight(
  tensor: Tensor,
  axis: number | null,
  spec: QuantSpec,
  widen: Widen | null,
  tied?: ScaleZeroPoint,
) {
  const values = view(tensor, 'float32')
  const { qtype } = spec
  const own = scalesOnGrid(tensor, axis, spec)
  if (axis === null) {
    const found = tied ?? (own ? { scale: own[0]!, zeroPoint: 0 } : scaleZeroPointOf(values, qtype, spec))
    const parameters = { ...found, scale: widen?.(0, found.scale) ?? found.scale, spec }
    return {
      integers: quantizeTensor(values, parameters, qtype, clippingRange(qtype, spec)),
      zeroPoints: quantizeTensor(Float32Array.of(0), parameters, qtype),
      parameters: perTensor(parameters),
    }
  }
  const { quantized, scales, zeroPoints } = quantizePerChannel(
    values,
    tensor.shape,
    axis,
    qtype,
    spec,
    (channel, computed) => {
      const scale = own?.[channel] ?? computed
      return widen?.(channel, scale) ?? scale
    },
  )
  return { integers: quantized, zeroPoints, parameters: { qtype, spec, scales, zeroPoint: zeroPoints[0] ?? 0, axis } }
}

/** A rule that widens weight scales where products would saturate or the int32 bias of this node would overflow; null without need. */
function wideningFor(context: Insertion, constant: ConstantPlan): Widen | null {
  const rules = [saturationRule(constant), biasRule(context, constant), shiftRule(context, constant)].filter(
    (rule) => rule !== null,
  )
  return rules.length === 0 ? null : (channel, scale) => rules.reduce((widened, rule) => rule(channel, widened), scale)
}

function saturationRule({ node, value: { tensor }, axis, saturatesAlong, ...spec }: ConstantPlan): Widen | null {
  if (saturatesAlong === undefined || tensor?.dtype !== 'float32') return null
  const quantized = quantizeWeight(tensor, axis, spec, null)
  const growth = saturationOf(quantized.integers, tensor.shape, saturatesAlong, node)
  const largest = Math.max(...growth)
  return largest === 1 ? null : (channel, scale) => Math.fround(scale * (axis === null ? largest : growth[channel]!))
}

function shiftRule({ least }: Insertion, constant: ConstantPlan): Widen | null {
  const smallest = least.get(constant)
  return smallest === undefined ? null : (_, scale) => Math.max(scale, smallest)
}

function biasRule(context: Insertion, { node, axis, value }: ConstantPlan): Widen | null {
  const planned = context.plan.biases.get(node)
  const bias = planned?.bias.tensor
  const input = planned && parametersRead(context, node, planned.input)
  if (!bias || !input || planned.weight !== value || bias.dtype !== 'float32') return null
  const values = view(bias, 'float32')
  const largest = Math.max(...extremes(values).map(Math.abs))
  return (channel, scale) =>
    weightScaleForBias(axis === null ? largest : values[channel]!, input.scales[0]!, scale, axis !== null)
}

function insertBias(context: Insertion, node: Node, { input, bias }: BiasPlan): void {
  const { model, graph } = context
  const index = node.inputs.indexOf(bias)
  const weight = context.uses.get(node)?.get(1)
  const activation = parametersRead(context, node, input)
  if (!bias.tensor || !weight || !activation || index < 0) return
  const { quantized, scales } = quantizeBias(view(bias.tensor, 'float32'), activation.scales[0]!, weight.scales)
  const shape = weight.axis === null ? [] : [scales.length]
  const integers = addInitializer(model, graph, `${bias.name}_q`, tensorOf('int32', bias.tensor.shape, quantized))
  const scale = addInitializer(model, graph, `${bias.name}_scale`, float32(shape, scales))
  node.setInput(index, dequantize(context, bias.name, [integers, scale], weight.axis === null ? null : 0))
}

/** from this operator set on the standard Q/DQ operators know 16-bit integers */
const WIDE_OPSET = 21

/** Domain of the Q/DQ operators of a type; the standard ones learnt 16 bits late. */
function domainFor({ model, domain }: Insertion, qtype: string): string {
  if (!qtype.endsWith('16') || (model.opsets.get('') ?? 0) >= WIDE_OPSET) return domain
  model.opsets.set(MICROSOFT, 1)
  return MICROSOFT
}

function dequantize(context: Insertion, name: string, inputs: Value[], axis: number | null): Value {
  return addNode(context.model, context.graph, 'DequantizeLinear', inputs, {
    output: `${name}_dq`,
    domain: domainFor(context, inputs[0]?.dtype ?? ''),
    attributes: axis === null ? {} : { axis: int(axis) },
  })
}

/**
 * value → Q → DQ → readers. Behind a node that writes integers every reader takes the dequantized value (its kernel exists only then);
 * behind a float producer only the quantized readers do. A graph output keeps its name behind the DQ.
 */
function insertPair(context: Insertion, value: Value): void {
  const { model, graph, plan } = context
  const parameters = context.parameters.get(value)
  if (!parameters || value.isConstant) return
  const written = value.producer !== null && plan.writers.has(value.producer)
  const reads = (node: Node) => written || (plan.nodes.has(node) && !plan.unread.get(node)?.has(value))
  const readers = new Set([...value.consumers.keys()].filter(reads))
  const isOutput = written && graph.outputs.includes(value)
  const source = isOutput ? detach(model, value) : value
  const output = isOutput ? value : new Value(freshName(model, `${value.name}_dq`))
  addPair(context, source, output, value.name, parameters)
  context.pairs.set(output, value)
  if (!isOutput) replaceUses(value, output, (node) => readers.has(node))
}

/** source → Q → DQ → output. */
function addPair(context: Insertion, source: Value, output: Value, name: string, parameters: Parameters): void {
  const { model, graph } = context
  const domain = domainFor(context, parameters.qtype)
  const scale = addInitializer(model, graph, `${name}_scale`, scalar(parameters.scales[0]!))
  const zeroPoint = addInitializer(model, graph, `${name}_zero_point`, zeroPointTensor(parameters))
  const quantized = addNode(
    model,
    graph,
    'QuantizeLinear',
    [saturated(context, source, name, parameters), scale, zeroPoint],
    {
      output: `${name}_q`,
      domain,
    },
  )
  addNode(model, graph, 'DequantizeLinear', [quantized, scale, zeroPoint], { outputs: [output], domain })
}

/** The value, clamped where its type holds more integers than may be used. */
function saturated({ model, graph }: Insertion, value: Value, name: string, parameters: Parameters): Value {
  const { qtype, spec, scales, zeroPoint } = parameters
  if (spec.bits === undefined || spec.bits >= QTYPES[qtype].bits) return value
  const bounds = clippingRange(qtype, spec).map((q, i) =>
    addInitializer(model, graph, `${name}_${i === 0 ? 'lowest' : 'highest'}`, scalar((q - zeroPoint) * scales[0]!)),
  )
  return addNode(model, graph, 'Clip', [value, ...bounds], { output: `${name}_saturated` })
}

function insertConversion(context: Insertion, conversion: Conversion): void {
  const { node, index, value } = conversion
  const parameters = convertedParameters(context, conversion)
  const read = node.inputs[index]
  if (!parameters || !read) return
  const output = new Value(freshName(context.model, `${value.name}_converted`), 'float32', value.shape)
  addPair(context, read, output, `${value.name}_converted`, parameters)
  if ('as' in conversion.to) context.pairs.set(output, conversion.to.as)
  node.setInput(index, output)
}

/** Parameters with which a node reads a value that is there with others. */
function convertedParameters({ parameters }: Insertion, { value, to }: Conversion): Parameters | undefined {
  if ('as' in to) return parameters.get(to.as)
  const found = parameters.get(value)
  if (!found) return undefined
  const { min, max } = rangeOfParameters({ scale: found.scales[0]!, zeroPoint: found.zeroPoint }, found.spec)
  return perTensor({ ...scaleZeroPoint(min, max, to.spec.qtype, to.spec), spec: to.spec })
}

/** Parameters with which `node` reads a computed value. */
function parametersRead(context: Insertion, node: Node, value: Value): Parameters | undefined {
  const conversion = context.plan.converts.find((one) => one.node === node && one.value === value)
  return conversion ? convertedParameters(context, conversion) : context.parameters.get(value)
}

const zeroPointTensor = ({ qtype, zeroPoint }: Parameters): Tensor =>
  tensorOf(qtype, [], quantizeTensor(Float32Array.of(0), { scale: 1, zeroPoint }, qtype))

/** Gives the producer a fresh output so that `value` keeps the public name. */
function detach(model: Model, value: Value): Value {
  const inner = new Value(freshName(model, `${value.name}_float`), value.dtype, value.shape)
  const producer = value.producer
  if (!producer) throw new Error(`graph output "${value.name}" has no producer`)
  producer.setOutput(producer.outputs.indexOf(value), inner)
  return inner
}
