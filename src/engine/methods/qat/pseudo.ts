/** Operators that exist only while a training step is built: differentiated by rules of their own, then lowered to standard ones. */

import { addInitializer, addNode, float, int, ints, type NodeOptions } from '../../ir/build.ts'
import { MICROSOFT } from '../../ir/domain.ts'
import { codeOf } from '../../ir/dtype.ts'
import { type Attribute, freshName, type Graph, type Model, type Node, replaceUses, Value } from '../../ir/graph.ts'
import type { ByOperator, Operator } from '../../ir/operators.ts'
import { int64, scalar } from '../../ir/tensor.ts'
import { type GradientRule, gradient } from '../../ops/gradients/define.ts'
import type { Emitter } from '../../ops/gradients/emitter.ts'
import { range } from '../../ops/gradients/shapes.ts'
import { QTYPES, type QType } from '../../quant/math.ts'

const DOMAIN = 'fewbit'

/** Where nodes are added; every helper returns the first output. */
export interface Site {
  model: Model
  graph: Graph
}

/** from this operator set on every reduction takes its axes as an input */
const AXES_AS_INPUT = 18

/** A reduction over some axes, which it drops; over all of them by default. */
export function reduce(site: Site, opType: Operator, x: Value, axes?: readonly number[]): Value {
  const asInput = opType === 'ReduceSum' || (site.model.opsets.get('') ?? 0) >= AXES_AS_INPUT
  const attributes: Record<string, Attribute> = { keepdims: int(0) }
  if (!axes) return emit(site, opType, [x], { attributes })
  if (!asInput) return emit(site, opType, [x], { attributes: { ...attributes, axes: ints(axes) } })
  const listed = addInitializer(site.model, site.graph, 'axes', int64([axes.length], axes))
  return emit(site, opType, [x, listed], { attributes })
}

export interface FakeQuantization {
  /** float32 [], or [C] with an axis */
  scale: Value
  /** integers as float32, in the shape of the scale */
  zeroPoint: Value
  /** the type that holds the integers */
  qtype: QType
  /** the first and the last integer */
  range: readonly [number, number]
  axis: number | null
  /** what the gradient of the scale is multiplied by; 0 trains no scale */
  gradientFactor: number
}

export const emit = ({ model, graph }: Site, opType: Operator, inputs: (Value | null)[], options: NodeOptions = {}) =>
  addNode(model, graph, opType, inputs, options)
export const constantOf = ({ model, graph }: Site, base: string, value: number): Value =>
  addInitializer(model, graph, base, scalar(value))

/** y = (clip(round(x ÷ scale) + zeroPoint) − zeroPoint) · scale, x and y float32. */
export function addFakeQuantize(site: Site, x: Value, how: FakeQuantization, output?: Value): Value {
  const {
    scale,
    zeroPoint,
    qtype,
    range: [first, last],
    axis,
    gradientFactor,
  } = how
  const y = output ?? new Value(freshName(site.model, `${x.name}_fake`), 'float32', x.shape)
  return emit(site, 'FakeQuantize', [x, scale, zeroPoint], {
    domain: DOMAIN,
    outputs: [y],
    attributes: {
      qtype: { kind: 'string', value: qtype },
      first: int(first),
      last: int(last),
      axis: int(axis ?? -1),
      gradient_factor: float(gradientFactor),
    },
  })
}

/** 2^round(x), trained as if it were 2^x. */
export function addPowerOfTwo(site: Site, x: Value): Value {
  const output = new Value(freshName(site.model, `${x.name}_power`), 'float32', x.shape)
  return emit(site, 'PowerOfTwo', [x], { domain: DOMAIN, outputs: [output] })
}

/** round(x ÷ step) · step, trained as if it were x. */
export function addRoundTo(site: Site, x: Value, step: Value): Value {
  const output = new Value(freshName(site.model, `${x.name}_rounded`), 'float32', x.shape)
  return emit(site, 'RoundTo', [x, step], { domain: DOMAIN, outputs: [output] })
}

/** output = x, which learns nothing from what reads the output. */
export function addStop(site: Site, x: Value, output: Value): void {
  emit(site, 'Stop', [x], { domain: DOMAIN, outputs: [output] })
}

/**
 * Gradients of x, scale and zero point. Source: Esser et al., "Learned Step Size Quantization" (2020), with the conventions of
 * torch._fake_quantize_learnable_per_*_affine: the gradient of x passes where the rounded integer lies in the range.
 */
const fakeQuantize = gradient(['X', 'scale', 'zeroPoint'], ['Y'], (g, inputs, { Y: dY }, { Y }, node) => {
  const { X, scale, zeroPoint } = inputs as Record<string, Value>
  const { factor, axis } = attributesOf(node)
  const inside = once(() => insideOf(g, node, X!, scale!, zeroPoint!))
  const dX = once(() => g.mul(dY!, inside()))
  const rank = X!.shape?.length ?? 0
  const others = range(rank).filter((i) => i !== axis)
  const total = (value: Value) => g.reduceSum(value, others, false)
  const scaled = (value: Value) => g.scale(value, factor)
  return {
    X: dX,
    scale: () => {
      if (factor === 0) return null
      const error = g.sub(Y!, g.mul(inside(), X!))
      return g.div(scaled(total(g.mul(dY!, error))), scale!)
    },
    zeroPoint: () => (factor === 0 ? null : scaled(g.mul(g.sub(total(dX()), total(dY!)), scale!))),
  }
})

function once(make: () => Value): () => Value {
  let made: Value | undefined
  return () => {
    made ??= make()
    return made
  }
}

/** 1 where the rounded integer lies in the range, else 0: a step function in one kernel, because comparisons and Where take several times as long. */
function insideOf(g: Emitter, node: Node, x: Value, scale: Value, zeroPoint: Value): Value {
  const { first, last, axis } = attributesOf(node)
  const rank = x.shape?.length ?? 0
  const spread = (value: Value) =>
    axis < 0 || axis === rank - 1
      ? value
      : g.reshape(value, [value.shape?.[0] ?? null, ...range(rank - axis - 1).map(() => 1)])
  const middle = spread(g.mul(g.sub(g.scalar((first + last) / 2, x), zeroPoint), scale))
  const half = spread(g.scale(scale, (last - first + 1) / 2))
  const margin = g.sub(half, g.unary('Abs', g.sub(x, middle)))
  return g.node('HardSigmoid', [margin], { shape: x.shape, attributes: { alpha: float(STEEP), beta: float(0) } })
}

/** slope of the step between outside and inside */
const STEEP = 1e30

const powerOfTwo = gradient(['X'], ['Y'], (g, _, { Y: dY }, { Y }) => ({ X: () => g.scale(g.mul(dY!, Y!), Math.LN2) }))

const roundTo = gradient(['X', 'step'], ['Y'], (_, __, { Y: dY }) => ({ X: () => dY!, step: () => null }))

const stop = gradient(['X'], ['Y'], () => ({ X: () => null }))

/** Gradient rules of the pseudo-operators, for `differentiate`. */
export const PSEUDO_GRADIENTS: ReadonlyMap<string, GradientRule> = new Map([
  [`${DOMAIN}:FakeQuantize`, fakeQuantize],
  [`${DOMAIN}:PowerOfTwo`, powerOfTwo],
  [`${DOMAIN}:RoundTo`, roundTo],
  [`${DOMAIN}:Stop`, stop],
])

const attributesOf = (node: Node) => ({
  qtype: node.string('qtype', 'int8') as QType,
  first: node.int('first', 0),
  last: node.int('last', 0),
  axis: node.int('axis', -1),
  factor: node.float('gradient_factor', 0),
})

/** A vector along the node's axis, so that it broadcasts. */
function alongAxis(site: Site, node: Node, value: Value): Value {
  const { axis } = attributesOf(node)
  const rank = node.inputs[0]!.shape?.length ?? 0
  if (axis < 0 || axis === rank - 1) return value
  const dims = [-1, ...Array.from({ length: rank - axis - 1 }, () => 1)]
  return emit(site, 'Reshape', [value, addInitializer(site.model, site.graph, 'dims', int64([dims.length], dims))])
}

/** Replaces every pseudo-operator of the graph by standard ones; 16-bit pairs come from com.microsoft. */
export function lowerPseudoOperators(model: Model): void {
  const site = { model, graph: model.graph }
  for (const node of [...model.graph.nodes]) {
    if (node.domain !== DOMAIN) continue
    const inputs = [...node.inputs] as Value[]
    const [output] = node.outputs as [Value]
    node.setOutput(0, null)
    LOWERINGS[node.opType]?.(site, node, inputs, output)
    model.graph.removeNode(node)
  }
}

type Lowering = (site: Site, node: Node, inputs: Value[], output: Value) => void

const LOWERINGS: ByOperator<Lowering> = {
  FakeQuantize: lowerFakeQuantize,
  PowerOfTwo: (site, _, [x], output) => {
    emit(site, 'Pow', [constantOf(site, 'two', 2), emit(site, 'Round', [x!])], { outputs: [output] })
  },
  Stop: (_, __, [x], output) => replaceUses(output, x!),
  RoundTo: (site, _, [x, step], output) => {
    const steps = emit(site, 'Round', [emit(site, 'Div', [x!, step!])])
    emit(site, 'Mul', [steps, step!], { outputs: [output] })
  },
}

/** Q, a clamp where the type holds more integers than may be used, and DQ: two fast kernels and little memory. */
function lowerFakeQuantize(site: Site, node: Node, [x, scale, zeroPoint]: Value[], output: Value): void {
  const { qtype, first, last, axis } = attributesOf(node)
  const [lowest, highest] = QTYPES[qtype].full
  const wide = qtype.endsWith('16')
  if (wide) site.model.opsets.set(MICROSOFT, 1)
  const domain = wide ? MICROSOFT : ''
  const zero = emit(site, 'Cast', [zeroPoint!], { attributes: { to: int(codeOf(qtype)) } })
  const attributes: Record<string, Attribute> = axis < 0 ? {} : { axis: int(axis) }
  const fits = first === lowest && last === highest
  const source = fits ? x! : saturated(site, node, [x!, scale!, zeroPoint!])
  const quantized = emit(site, 'QuantizeLinear', [source, scale!, zero], { domain, attributes })
  emit(site, 'DequantizeLinear', [quantized, scale!, zero], { domain, attributes, outputs: [output] })
}

/** x between the real numbers that the first and the last integer stand for. */
function saturated(site: Site, node: Node, [x, scale, zeroPoint]: [Value, Value, Value]): Value {
  const { first, last, axis } = attributesOf(node)
  const [low, high] = [first, last].map((q) =>
    alongAxis(site, node, emit(site, 'Mul', [emit(site, 'Sub', [constantOf(site, 'bound', q), zeroPoint]), scale])),
  ) as [Value, Value]
  if (axis < 0) return emit(site, 'Clip', [x, low, high])
  return emit(site, 'Min', [emit(site, 'Max', [x, low]), high])
}
