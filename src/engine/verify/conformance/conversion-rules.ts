/** Rules of QuantizeLinear and DequantizeLinear nodes: types, zero points, scales, granularity. */

import { saturationOf } from '../../correct/saturation.ts'
import type { Node } from '../../ir/graph.ts'
import { inputName, inputRole, type Role } from '../../ops/define.ts'
import { opOf } from '../../ops/index.ts'
import { supportOf } from '../../plan/support.ts'
import { clippingRange, integerRange, QTYPES, type QType } from '../../quant/math.ts'
import { specOf } from '../../quant/spec.ts'
import type { IntegerTarget } from '../../targets/target.ts'
import { integersOf, isDequantize, sourceOf, type Written, writtenIn } from './parameters.ts'
import type { Rule } from './rule.ts'

interface Use {
  node: Node
  index: number
  role: Role
}

/** Where the dequantized value goes as a number. */
function usesOf(conversion: Node): Use[] {
  const [value] = conversion.outputs
  return [...(value?.consumers.keys() ?? [])].flatMap((node) => {
    const def = opOf(node)
    if (!def) return []
    return node.inputs.flatMap((input, index) =>
      input === value ? [{ node, index, role: inputRole(def, index) }] : [],
    )
  })
}

const isConstant = (node: Node): boolean => isDequantize(node) && node.inputs[0]?.isConstant === true

/** The one meaning of a dequantized constant: `bias` and `weight` win over `activation`. One that only computing in float reads is `stored`, in any form. */
function meaningOf(node: Node): 'activation' | 'weight' | 'bias' | 'stored' {
  if (!isConstant(node)) return 'activation'
  const kinds = usesOf(node).map(({ role }) => role.kind)
  if (kinds.length > 0 && kinds.every((kind) => kind === 'float')) return 'stored'
  return kinds.includes('bias') ? 'bias' : kinds.includes('weight') ? 'weight' : 'activation'
}

/** A check of parameters that are there; parameters that are not constants are the scale rule's business. */
const onParameters =
  (check: (written: Written, node: Node, target: IntegerTarget) => string | null): Rule['check'] =>
  (node, target) => {
    const written = writtenIn(node)
    return written ? check(written, node, target) : null
  }

const onActivations = (check: (written: Written, node: Node, target: IntegerTarget) => string | null) =>
  onParameters((written, node, target) => (meaningOf(node) === 'activation' ? check(written, node, target) : null))

const onWeights = (check: (written: Written, node: Node, target: IntegerTarget) => string | null) =>
  onParameters((written, node, target) => (meaningOf(node) === 'weight' ? check(written, node, target) : null))

const isPowerOfTwo = (x: number): boolean => Number.isInteger(Math.log2(x))

const middleOf = (qtype: QType): number => Math.round((QTYPES[qtype].symmetric[0] + QTYPES[qtype].symmetric[1]) / 2)

const scale: Rule = {
  name: 'scale',
  check: (node) => {
    const written = writtenIn(node)
    if (!written) return 'scale or zero point is not a constant'
    return written.scales.every((x) => x > 0 && Number.isFinite(x)) ? null : 'a scale is not a positive finite number'
  },
}

const powerOfTwo: Rule = {
  name: 'scale.power_of_two',
  check: onParameters(({ scales }, node, { activation, weight }) => {
    const meaning = meaningOf(node)
    const format = meaning === 'activation' ? activation : weight
    if (meaning === 'stored' || format.scale !== 'power_of_two' || scales.every(isPowerOfTwo)) return null
    return `scale ${scales.find((x) => !isPowerOfTwo(x))} is not a power of two`
  }),
}

const activationType: Rule = {
  name: 'activation.dtype',
  check: onActivations(({ dtype }, _, { activation, wide_activation }) =>
    dtype === activation.dtype || dtype === wide_activation?.dtype ? null : `${dtype} instead of ${activation.dtype}`,
  ),
}

const activationZeroPoint: Rule = {
  name: 'activation.symmetric',
  check: onActivations(({ zeroPoints }, _, { activation }) => {
    if (!activation.symmetric) return null
    const middle = middleOf(specOf(activation).qtype)
    return zeroPoints.every((z) => z === middle) ? null : `zero point ${zeroPoints[0]} instead of ${middle}`
  }),
}

const activationGranularity: Rule = {
  name: 'activation.granularity',
  check: onActivations(({ axis }) => (axis === null ? null : 'an activation has one scale per channel')),
}

const activationRange: Rule = {
  name: 'activation.minimum_range',
  check: onActivations(({ scales, dtype }, _, { activation, wide_activation: wide }) => {
    if (activation.minimum_range === undefined) return null
    const format = wide && dtype === wide.dtype ? wide : activation
    const [low, high] = integerRange(specOf(format).qtype, specOf(format))
    const range = scales[0]! * (high - low)
    return range >= activation.minimum_range * (1 - 1e-6)
      ? null
      : `a range of ${range} is below ${activation.minimum_range}`
  }),
}

const weightType: Rule = {
  name: 'weight.dtype',
  check: onWeights(({ dtype }, _, { weight }) =>
    dtype === weight.dtype ? null : `${dtype} instead of ${weight.dtype}`,
  ),
}

const weightZeroPoint: Rule = {
  name: 'weight.symmetric',
  check: onWeights(({ zeroPoints }, _, { weight }) =>
    !weight.symmetric || zeroPoints.every((z) => z === 0) ? null : 'the zero point of a weight is not 0',
  ),
}

const weightGranularity: Rule = {
  name: 'weight.granularity',
  check: onWeights(({ axis }, node, target) => {
    if (axis === null) return null
    const [use] = usesOf(node).filter(({ role }) => role.kind === 'weight')
    if (use?.role.kind !== 'weight') return null
    const granularity = supportOf(target, use.node)?.weight_granularity ?? target.weight.granularity
    if (granularity === 'tensor') return `${use.node.opType} takes one scale per tensor here, not one per channel`
    const expected = use.role.axis(use.node, node.inputs[0]?.tensor?.shape.length ?? 0)
    return expected === axis ? null : `one scale per index of axis ${axis} instead of ${expected}`
  }),
}

const weightBits: Rule = {
  name: 'weight.bits',
  check: onWeights((_, node, { weight }) => {
    const [low, high] = clippingRange(specOf(weight).qtype, specOf(weight))
    const beyond = integersOf(node.inputs[0]!).find((q) => q < low || q > high)
    return beyond === undefined ? null : `the integer ${beyond} lies outside of [${low}, ${high}]`
  }),
}

const accumulator: Rule = {
  name: 'accumulator',
  check: onWeights(({ dtype }, node, target) => {
    const tensor = node.inputs[0]?.tensor
    const [use] = usesOf(node).filter(({ role }) => role.kind === 'weight')
    if (target.accumulator !== 'int16-pairs' || dtype !== 'int8' || !tensor || use?.role.kind !== 'weight') return null
    const axis = use.role.axis(use.node, tensor.shape.length) ?? 0
    const channel = saturationOf(integersOf(node.inputs[0]!), tensor.shape, axis, use.node).findIndex((x) => x > 1)
    return channel < 0 ? null : `two neighbouring weights of output channel ${channel} can overflow 16 bits`
  }),
}

const TOLERANCE = 1e-5

const bias: Rule = {
  name: 'bias',
  check: onParameters((written, node, { bias, weight }) => {
    if (meaningOf(node) !== 'bias') return null
    if (bias.dtype === 'float32') return 'the bias is quantized'
    if (bias.dtype === 'int8')
      return written.dtype === weight.dtype ? null : `${written.dtype} instead of ${weight.dtype}`
    if (written.dtype !== 'int32') return `${written.dtype} instead of int32`
    if (written.zeroPoints.some((z) => z !== 0)) return 'the zero point is not 0'
    return (
      usesOf(node)
        .map((use) => biasScaleProblem(written, use))
        .find((problem) => problem !== null) ?? null
    )
  }),
}

/** scale(bias) = scale(input) · scale(weight). */
function biasScaleProblem({ scales }: Written, { node, role }: Use): string | null {
  const def = opOf(node)
  if (!def || role.kind !== 'bias') return null
  const read = (name: string) => {
    const source = sourceOf(node.inputs.find((_, index) => inputName(def, index) === name))
    return source && writtenIn(source)
  }
  const [input, weight] = [read(role.input), read(role.weight)]
  if (!input || !weight) return null
  const wrong = weight.scales.findIndex((w, channel) => {
    const expected = w * input.scales[0]!
    return Math.abs(scales[scales.length === 1 ? 0 : channel]! - expected) > expected * TOLERANCE
  })
  return wrong < 0 ? null : `its scale is not scale(input) · scale(weight) at index ${wrong}`
}

export const CONVERSION_RULES: readonly Rule[] = [
  scale,
  powerOfTwo,
  activationType,
  activationZeroPoint,
  activationGranularity,
  activationRange,
  weightType,
  weightZeroPoint,
  weightGranularity,
  weightBits,
  accumulator,
  bias,
]
