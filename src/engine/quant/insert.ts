/** Stage `quantize`: writes the plan into the graph as QuantizeLinear / DequantizeLinear pairs, integer weights and int32 biases. */
import { addInitializer, addNode, int } from '../ir/build.ts'
import { freshName, type Graph, type Model, type Node, replaceUses, Value } from '../ir/graph.ts'
import { float32, scalar, type Tensor, tensorOf, view } from '../ir/tensor.ts'
import { absorbClamps, saturateWith } from './absorb.ts'
import {
  extremes,
  type QType,
  quantizeBias,
  quantizePerChannel,
  quantizeTensor,
  type ScaleZeroPoint,
  scaleZeroPoint,
  scaleZeroPointOf,
  weightScaleForBias,
} from './math.ts'
import type { Range } from './observers/observer.ts'
import type { BiasPlan, ConstantPlan, Plan, ValuePlan } from './plan.ts'

/** Scale(s) and zero point of one tensor as they were written. */
export interface Parameters {
  qtype: QType
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
  /** parameters of a constant where a node reads it */
  uses: Map<Node, Map<number, Parameters>>
}

/** Rewrites the model as planned. Returns the parameters of every quantized value and constant, for the plan document. */
export function insertQuantization(
  model: Model,
  plan: Plan,
  ranges: ReadonlyMap<string, Range>,
  domain: string,
): Map<Value, Parameters> {
  const context: Insertion = {
    model,
    graph: model.graph,
    plan,
    ranges,
    domain,
    parameters: new Map(),
    constants: new Map(),
    uses: new Map(),
  }
  for (const [value, planned] of plan.values)
    if (planned.kind !== 'shared') context.parameters.set(value, parametersOf(value, planned, ranges))
  for (const constant of plan.constants) insertConstant(context, constant)
  for (const [value, planned] of plan.values)
    if (planned.kind === 'shared') context.parameters.set(value, sharedParameters(context, planned.with))
  for (const [node, bias] of plan.biases) insertBias(context, node, bias)
  for (const value of plan.values.keys()) insertPair(context, value)
  absorbClamps(model.graph, plan.nodes)
  return context.parameters
}

const perTensor = (qtype: QType, { scale, zeroPoint }: ScaleZeroPoint): Parameters => ({
  qtype,
  scales: Float32Array.of(scale),
  zeroPoint,
  axis: null,
})

function parametersOf(
  value: Value,
  planned: Exclude<ValuePlan, { kind: 'shared' }>,
  ranges: ReadonlyMap<string, Range>,
): Parameters {
  if (planned.kind === 'fixed')
    return perTensor(planned.qtype, scaleZeroPoint(...planned.range, planned.qtype, { symmetric: false }))
  const range = ranges.get(value.name)
  if (!range) throw new Error(`value "${value.name}" was not calibrated`)
  const found = scaleZeroPoint(range.min, range.max, planned.qtype, { symmetric: planned.symmetric })
  return perTensor(planned.qtype, saturateWith(value.producer, found, planned.qtype))
}

function sharedParameters(context: Insertion, source: Value): Parameters {
  const planned = context.plan.values.get(source)
  const own = context.parameters.get(source)
  if (own) return own
  if (planned?.kind === 'shared') return sharedParameters(context, planned.with)
  throw new Error(`value "${source.name}" has no parameters to share`)
}

/** The constant's integers with a DequantizeLinear behind them, made once per form; widened scales make a form of their own. */
function insertConstant(context: Insertion, constant: ConstantPlan): void {
  const { node, index, value } = constant
  const widen = constant.role === 'weight' ? wideningFor(context, constant) : null
  const plain = formOf(context, constant, null)
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
): { output: Value; parameters: Parameters } {
  const { value, qtype, axis, symmetric, node } = constant
  const key = [value.name, qtype, axis, symmetric, widen && node.name].join('\0')
  const form = context.constants.get(key) ?? dequantizedConstant(context, constant, widen)
  context.constants.set(key, form)
  return form
}

function dequantizedConstant(context: Insertion, constant: ConstantPlan, widen: Widen | null) {
  const { model, graph } = context
  const { tensor, name } = constant.value
  if (!tensor) throw new Error(`"${name}" is not a constant`)
  const { integers, parameters, zeroPoints } = quantizeConstant(tensor, constant, widen)
  const quantized = addInitializer(model, graph, `${name}_q`, tensorOf(constant.qtype, tensor.shape, integers))
  const shape = parameters.axis === null ? [] : [parameters.scales.length]
  const scale = addInitializer(model, graph, `${name}_scale`, float32(shape, parameters.scales))
  const zeroPoint = addInitializer(model, graph, `${name}_zero_point`, tensorOf(constant.qtype, shape, zeroPoints))
  const output = dequantize(context, name, [quantized, scale, zeroPoint], parameters.axis)
  return { output, parameters }
}

type Widen = (channel: number, scale: number) => number

function quantizeConstant(tensor: Tensor, { qtype, axis, symmetric }: ConstantPlan, widen: Widen | null) {
  const values = view(tensor, 'float32')
  if (axis === null) {
    const found = scaleZeroPointOf(values, qtype, { symmetric })
    const parameters = { ...found, scale: widen?.(0, found.scale) ?? found.scale }
    const zeroPoints = quantizeTensor(Float32Array.of(0), parameters, qtype)
    return { integers: quantizeTensor(values, parameters, qtype), zeroPoints, parameters: perTensor(qtype, parameters) }
  }
  const { quantized, scales, zeroPoints } = quantizePerChannel(
    values,
    tensor.shape,
    axis,
    qtype,
    { symmetric },
    widen ?? undefined,
  )
  return { integers: quantized, zeroPoints, parameters: { qtype, scales, zeroPoint: zeroPoints[0] ?? 0, axis } }
}

/** A rule that widens weight scales where the int32 bias of this node would overflow; null without a bias. */
function wideningFor(context: Insertion, { node, axis, value }: ConstantPlan): Widen | null {
  const planned = context.plan.biases.get(node)
  const bias = planned?.bias.tensor
  const input = planned && context.parameters.get(planned.input)
  if (!bias || !input || planned.weight !== value || bias.dtype !== 'float32') return null
  const values = view(bias, 'float32')
  const largest = Math.max(...extremes(values).map(Math.abs))
  return (channel, scale) =>
    weightScaleForBias(axis === null ? largest : values[channel], input.scales[0], scale, axis !== null)
}

function insertBias(context: Insertion, node: Node, { input, bias }: BiasPlan): void {
  const { model, graph } = context
  const index = node.inputs.indexOf(bias)
  const weight = context.uses.get(node)?.get(1)
  const activation = context.parameters.get(input)
  if (!bias.tensor || !weight || !activation || index < 0) return
  const { quantized, scales } = quantizeBias(view(bias.tensor, 'float32'), activation.scales[0], weight.scales)
  const shape = weight.axis === null ? [] : [scales.length]
  const integers = addInitializer(model, graph, `${bias.name}_q`, tensorOf('int32', bias.tensor.shape, quantized))
  const scale = addInitializer(model, graph, `${bias.name}_scale`, float32(shape, scales))
  node.setInput(index, dequantize(context, bias.name, [integers, scale], weight.axis === null ? null : 0))
}

function dequantize(context: Insertion, name: string, inputs: Value[], axis: number | null): Value {
  return addNode(context.model, context.graph, 'DequantizeLinear', inputs, {
    output: `${name}_dq`,
    domain: context.domain,
    attributes: axis === null ? {} : { axis: int(axis) },
  })
}

/**
 * value → Q → DQ → readers. Behind an integer kernel every reader takes the dequantized value (the kernel exists only then);
 * behind a float producer only the quantized readers do. A graph output keeps its name behind the DQ.
 */
function insertPair(context: Insertion, value: Value): void {
  const { model, graph, plan, domain } = context
  const parameters = context.parameters.get(value)
  if (!parameters || value.isConstant) return
  const fromInteger = value.producer !== null && plan.nodes.has(value.producer)
  const readers = new Set([...value.consumers.keys()].filter((node) => fromInteger || plan.nodes.has(node)))
  const isOutput = fromInteger && graph.outputs.includes(value)
  const source = isOutput ? detach(model, value) : value
  const scale = addInitializer(model, graph, `${value.name}_scale`, scalar(parameters.scales[0]))
  const zeroPoint = addInitializer(model, graph, `${value.name}_zero_point`, zeroPointTensor(parameters))
  const quantized = addNode(model, graph, 'QuantizeLinear', [source, scale, zeroPoint], {
    output: `${value.name}_q`,
    domain,
  })
  const output = isOutput ? value : new Value(freshName(model, `${value.name}_dq`))
  addNode(model, graph, 'DequantizeLinear', [quantized, scale, zeroPoint], {
    outputs: [output],
    domain,
  })
  if (!isOutput) replaceUses(value, output, (node) => readers.has(node))
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
