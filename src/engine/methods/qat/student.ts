/** The student: the quantized model with float constants again and every rounding as a pseudo-operator that can be differentiated. */

import { addInitializer, addNode } from '../../ir/build.ts'
import { freshName, type Model, type Node, replaceUses, Value } from '../../ir/graph.ts'
import type { Operator } from '../../ir/operators.ts'
import { elementCount, float32, view } from '../../ir/tensor.ts'
import { opOf } from '../../ops/index.ts'
import { removeUnused } from '../../passes/remove-unused.ts'
import { channelLayout, clippingRange, integerRange, QTYPES, type QuantSpec, smallestScale } from '../../quant/math.ts'
import type { Built } from '../static/variant.ts'
import { isTrained } from './floats.ts'
import { type Parameter, rootMeanSquare } from './parameter.ts'
import { addFakeQuantize, addPowerOfTwo, addRoundTo, constantOf, emit, reduce, type Site } from './pseudo.ts'
import { bounded, roundedUp, type Scale, SMALLEST_SCALE, scaleOfRange } from './ranges.ts'
import { searchScales } from './scales.ts'
import type { BiasSite, ConstantSite, Group, Sites } from './sites.ts'

export interface Student {
  model: Model
  sites: Sites
  parameters: Parameter[]
  /** by key of a range: scalars with the extremes of this batch */
  observed: Map<string, [Value, Value]>
}

/** where weights and their scales start */
export interface Weights {
  /** scales are those with the smallest squared error */
  searched: boolean
  /** by key: what weights were before adaptive rounding put them on integers */
  unrounded: ReadonlyMap<string, Float32Array>
}

/** the quantized model's own weights and scales */
export const AS_BUILT: Weights = { searched: false, unrounded: new Map() }

interface Context extends Site {
  built: Built
  mode: ScaleMode
  from: Weights
  parameters: Parameter[]
  observed: Map<string, [Value, Value]>
  groups: Map<Group, Scale>
  constants: Map<ConstantSite, Scale>
}

/** learned: trained like weights; followed: read from the data and the weights as they change; fixed: as they were */
export type ScaleMode = 'learned' | 'followed' | 'fixed'

/** Rewrites a freshly built, specialized variant. Its shapes must be known. */
export function buildStudent(built: Built, sites: Sites, mode: ScaleMode, from: Weights): Student {
  const { model } = built
  const context: Context = {
    model,
    graph: model.graph,
    built,
    mode,
    from,
    parameters: [],
    observed: new Map(),
    groups: new Map(),
    constants: new Map(),
  }
  for (const group of sites.groups) context.groups.set(group, groupScale(context, group))
  for (const constant of sites.constants) fakeConstant(context, constant)
  for (const bias of sites.biases) fakeBias(context, bias)
  for (const group of sites.groups) for (const pair of group.pairs) fakePair(context, group, pair)
  removeUnused.run(model)
  for (const group of sites.groups) observe(context, group)
  for (const value of [...model.graph.initializers]) if (isTrained(value, model)) addFloatParameter(context, value)
  return { model, sites, parameters: context.parameters, observed: context.observed }
}

const constant = ({ model, graph }: Site, name: string, values: Float32Array, shape: readonly number[]) =>
  addInitializer(model, graph, name, float32(shape, values))

function addParameter(context: Context, parameter: Omit<Parameter, 'value'>): Value {
  const value = new Value(freshName(context.model, `train_${parameter.key}`), 'float32', parameter.shape)
  context.parameters.push({ ...parameter, value })
  return value
}

function groupScale(context: Context, group: Group): Scale {
  const { key, scale, zeroPoint, spec, trainable } = group
  const zero = () => constant(context, `${key}_zero`, Float32Array.of(zeroPoint), [])
  if (!trainable || context.mode === 'fixed')
    return { scale: constant(context, `${key}_step`, Float32Array.of(scale), []), zeroPoint: zero() }
  if (context.mode === 'learned')
    return { scale: trainedScale(context, key, spec, Float32Array.of(scale), []), zeroPoint: zero() }
  const range = Float32Array.from(integerRange(spec.qtype, spec), (q) => (q - zeroPoint) * scale * WITHIN)
  return scaleOfRange(
    context,
    spec,
    addParameter(context, { key, kind: 'range', shape: [2], initial: range, unit: Float32Array.of(0), axis: null }),
  )
}

/** keeps rounding from turning a range into the next power of two */
const WITHIN = 1 - 2 ** -20

/** A scale that is trained: itself, or the exponent of a power of two. */
function trainedScale(
  context: Context,
  key: string,
  spec: QuantSpec,
  scales: Float32Array,
  shape: readonly number[],
): Value {
  const common = { key, shape, axis: shape.length === 0 ? null : 0 }
  const least = smallestScale(spec)
  if (!spec.powerOfTwo) return addParameter(context, { ...common, kind: 'scale', initial: scales, unit: scales, least })
  return addPowerOfTwo(
    context,
    addParameter(context, {
      ...common,
      kind: 'exponent',
      initial: scales.map((scale) => Math.log2(scale)),
      unit: Float32Array.of(1),
      axis: null,
      ...(least > 0 && { least: Math.ceil(Math.log2(least)) }),
    }),
  )
}

function fakeConstant(context: Context, site: ConstantSite): void {
  const { key, dequantize, values, shape, plan, group, scales, zeroPoints } = site
  const [first, last] = clippingRange(plan.qtype, plan)
  const initial = context.from.searched ? searchScales(site) : scales
  const reach = Math.max(last, -first)
  const weight = addParameter(context, {
    key,
    kind: 'weight',
    shape,
    initial: unroundedWithin(site, context.from.unrounded.get(key) ?? values),
    unit: initial.map((scale) => scale * reach),
    axis: plan.axis,
  })
  const zeroPoint = constant(context, `${key}_zero`, zeroPoints, plan.axis === null ? [] : [zeroPoints.length])
  const scale = group ? context.groups.get(group)! : { scale: constantScale(context, site, weight, initial), zeroPoint }
  context.constants.set(site, scale)
  const trains = context.mode === 'learned' && (group?.trainable ?? true)
  const fake = addFakeQuantize(context, weight, {
    ...scale,
    qtype: plan.qtype,
    range: [first, last],
    axis: plan.axis,
    gradientFactor: trains ? gradientFactor(values.length / scales.length, last) : 0,
  })
  replaceOutput(context, dequantize, fake)
}

/**
 * The weights before adaptive rounding, moved only as far as it takes to be rounded the same way. Weights that all start in the middle
 * between two thresholds would all reach them in the same steps.
 */
function unroundedWithin({ values, shape, plan, scales }: ConstantSite, unrounded: Float32Array): Float32Array {
  if (unrounded === values) return values
  const { channels, inner } =
    plan.axis === null ? { channels: 1, inner: values.length } : channelLayout(shape, plan.axis)
  return values.map((value, i) => {
    const scale = scales[Math.floor(i / inner) % channels]!
    const reach = scale * WITHIN_INTEGER
    return Math.min(Math.max(unrounded[i]!, value - reach), value + reach)
  })
}

/** parts of a step between an integer and the weights that are rounded to it; the thresholds are at a half */
const WITHIN_INTEGER = 0.4

function constantScale(
  context: Context,
  { key, plan, shape }: ConstantSite,
  weight: Value,
  initial: Float32Array,
): Value {
  const dims = plan.axis === null ? [] : [initial.length]
  if (context.mode === 'learned') return trainedScale(context, `${key} scale`, plan, initial, dims)
  if (!plan.symmetric || context.mode === 'fixed') return constant(context, `${key}_step`, initial, dims)
  const [, last] = integerRange(plan.qtype, plan)
  const axes = shape.map((_, i) => i).filter((i) => i !== plan.axis)
  // Two reductions write less than one of magnitudes would.
  const ends = [
    reduce(context, 'ReduceMax', weight, axes),
    emit(context, 'Neg', [reduce(context, 'ReduceMin', weight, axes)]),
  ]
  const largest = emit(context, 'Max', ends)
  const lowest = constantOf(context, 'lowest', Math.max(SMALLEST_SCALE, smallestScale(plan)))
  const by = constantOf(context, 'levels', last)
  const step = emit(context, 'Max', [emit(context, 'Div', [largest, by]), lowest])
  const scale = plan.powerOfTwo ? roundedUp(context, step) : step
  scale.shape = dims
  return scale
}

/** Source: Esser et al., "Learned Step Size Quantization": 1 ÷ √(numbers per scale · largest integer). */
const gradientFactor = (count: number, last: number): number => 1 / Math.sqrt(count * Math.max(last, 1))

function fakeBias(context: Context, { key, dequantize, values, input, weight }: BiasSite): void {
  const inputScale = 'pairs' in input ? context.groups.get(input)! : context.constants.get(input)!
  const step = emit(context, 'Mul', [inputScale.scale, context.constants.get(weight)!.scale])
  const bias = addParameter(context, {
    key,
    kind: 'bias',
    shape: [values.length],
    initial: values,
    ...biasUnit(values, weight),
  })
  replaceOutput(context, dequantize, addRoundTo(context, bias, step))
}

/** A bias moves as far as is usual among its neighbours; where all are 0, as weights do. */
function biasUnit(values: Float32Array, weight: ConstantSite) {
  const usual = rootMeanSquare(values) || rootMeanSquare(weight.values)
  return { unit: Float32Array.of(usual || 1), axis: null }
}

/** Q → DQ becomes one rounding; behind an operator that only moves what was rounded with the same scale it becomes nothing. */
function fakePair(context: Context, group: Group, dequantize: Node): void {
  const source = sourceOf(dequantize, group.spec)
  const value = context.built.pairs.get(dequantize.outputs[0]!)!
  const moved = context.built.plan.values.get(value)?.kind === 'shared' && isMoved(source)
  if (moved) {
    replaceOutput(context, dequantize, source)
    return
  }
  const range = clippingRange(group.spec.qtype, group.spec)
  const factor = context.mode === 'learned' && group.trainable ? gradientFactor(elements(source), range[1]) : 0
  const fake = addFakeQuantize(context, source, {
    ...context.groups.get(group)!,
    qtype: group.spec.qtype,
    range,
    axis: null,
    gradientFactor: factor,
  })
  replaceOutput(context, dequantize, fake)
}

const isMoved = ({ producer }: Value): boolean => producer !== null && opOf(producer)?.class === 'movement'
const elements = ({ shape }: Value): number =>
  elementCount((shape ?? []).map((dim) => (typeof dim === 'number' ? dim : 1)))

/** What goes into Q, before the clamp that stands for missing bits. */
export function sourceOf(dequantize: Node, { qtype, bits }: QuantSpec): Value {
  const read = dequantize.inputs[0]!.producer!.inputs[0]!
  const clamped = bits !== undefined && bits < QTYPES[qtype].bits
  return clamped ? read.producer!.inputs[0]! : read
}

/** Readers of the node, and the graph's outputs, read `by` instead; an output keeps its name. */
function replaceOutput({ model, graph }: Context, node: Node, by: Value): void {
  const [output] = node.outputs as [Value]
  replaceUses(output, by)
  if (graph.outputs.includes(output)) {
    node.setOutput(0, null)
    addNode(model, graph, 'Identity', [by], { outputs: [output] })
  }
  graph.removeNode(node)
}

/** The extremes of what a followed range is for, within the bounds of a clamp that the quantizer replaced. */
function observe(context: Context, group: Group): void {
  if (context.mode !== 'followed' || !group.trainable) return
  const sources = [...context.graph.nodes].flatMap((node) =>
    node.opType === 'FakeQuantize' && node.inputs[1] === context.groups.get(group)!.scale ? [node.inputs[0]!] : [],
  )
  const extremesOf = (opType: Operator) => sources.map((source) => reduce(context, opType, source))
  if (sources.length === 0) return
  const low = emit(context, 'Min', extremesOf('ReduceMin'))
  const high = emit(context, 'Max', extremesOf('ReduceMax'))
  context.observed.set(group.key, [bounded(context, group, low), bounded(context, group, high)])
}

function addFloatParameter(context: Context, value: Value): void {
  const initial = view(value.tensor!, 'float32')
  const shape = value.tensor!.shape
  const kind = shape.length > 1 ? 'weight' : 'bias'
  const unit = Float32Array.of(rootMeanSquare(initial) || 1)
  const trained = addParameter(context, { key: value.name, kind, shape, initial, unit, axis: null })
  replaceUses(value, trained)
  context.graph.initializers.delete(value)
}
