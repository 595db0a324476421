/** Rules of the operators between conversions. */
import type { Node, Value } from '../../ir/graph.ts'
import { inputName, inputRole, outputRole } from '../../ops/define.ts'
import { opOf } from '../../ops/index.ts'
import { lowestBiasShift } from '../../plan/shifts.ts'
import { supportOf } from '../../plan/support.ts'
import { isQuantize, sourceOf, type Written, writtenIn } from './parameters.ts'
import type { Rule } from './rule.ts'
import { floatReason } from './units.ts'

/** Parameters with which a number is written: those of the quantizer behind it. */
function writtenAs(value: Value | null): Written | null {
  const quantizer = [...(value?.consumers.keys() ?? [])].find(isQuantize)
  return quantizer ? writtenIn(quantizer) : null
}

function readAs(value: Value | null): Written | null {
  const source = sourceOf(value)
  return source && writtenIn(source)
}

/** Parameters of everything the node reads and writes as activations. */
function activationsOf(node: Node): { read: Written[]; written: Written[] } {
  const def = opOf(node)
  if (!def) return { read: [], written: [] }
  const present = (some: (Written | null)[]) => some.filter((one) => one !== null)
  return {
    read: present(node.inputs.map((value, i) => (inputRole(def, i).kind === 'activation' ? readAs(value) : null))),
    written: present(node.outputs.map((value, i) => (outputRole(def, i).kind === 'float' ? null : writtenAs(value)))),
  }
}

/** A rule of nodes that compute in integers. */
const inIntegers =
  (check: Rule['check']): Rule['check'] =>
  (node, target) =>
    floatReason(node, target) === null ? check(node, target) : null

const equal = (a: Written, b: Written): boolean => a.scales[0] === b.scales[0] && a.zeroPoints[0] === b.zeroPoints[0]

const sameScale: Rule = {
  name: 'operators.same_scale',
  check: inIntegers((node, target) => {
    if (!supportOf(target, node)?.same_scale) return null
    const { read, written } = activationsOf(node)
    const [first, ...others] = [...read, ...written]
    const other = first && others.find((one) => !equal(first, one))
    return other ? `scales ${first.scales[0]} and ${other.scales[0]} meet at ${node.opType}` : null
  }),
}

const fixedOutput: Rule = {
  name: 'operators.fixed_output',
  check: inIntegers((node, target) => {
    const support = supportOf(target, node)
    const wrong = activationsOf(node).written.find((written) => {
      const given = written.dtype === target.wide_activation?.dtype ? support?.fixed_wide_output : support?.fixed_output
      return given && (written.scales[0] !== Math.fround(given.scale) || written.zeroPoints[0] !== given.zero_point)
    })
    return wrong ? `${node.opType} writes scale ${wrong.scales[0]} and zero point ${wrong.zeroPoints[0]}` : null
  }),
}

const position = ({ scales }: Written): number => -Math.log2(scales[0]!)

/** Shifts of an operator with weights, for scales 2^−position. */
const shifts: Rule = {
  name: 'shifts',
  check: inIntegers((node, { shifts: limits }) => {
    const def = opOf(node)
    if (!limits || def?.class !== 'multiply') return null
    const at = (kind: string) => node.inputs.findIndex((_, index) => inputRole(def, index).kind === kind)
    const [input, weight, bias] = [at('activation'), at('weight'), at('bias')].map((i) =>
      i < 0 ? null : readAs(node.inputs[i] ?? null),
    )
    if (!input || !weight) return null
    const product = position(input) + position(weight)
    const output = writtenAs(node.outputs[0] ?? null) ?? clampedOutput(node)
    const cut = output && product - position(output)
    if (cut !== null && outside(cut, limits.cut))
      return `results are shifted by ${cut} bits, the target can do ${limits.cut.join(' to ')}`
    const biasShift = bias && product - position(bias)
    const biasLimits = [lowestBiasShift(limits, cut ?? 0), limits.bias[1]!]
    return typeof biasShift === 'number' && outside(biasShift, biasLimits)
      ? `the bias is shifted by ${biasShift} bits, the target can do ${biasLimits.join(' to ')}`
      : null
  }),
}

function clampedOutput(node: Node): Written | null {
  const [clamp] = node.outputs[0]?.consumers.keys() ?? []
  return clamp && opOf(clamp)?.class === 'clamp' ? writtenAs(clamp.outputs[0] ?? null) : null
}

const outside = (x: number, [low, high]: readonly number[]): boolean => x < low! || x > high!

/** Whether an operator that the target has no float form of is there. `isFloat`: element type of a value by its name. */
export const floatOperators = (isFloat: (value: Value) => boolean): Rule => ({
  name: 'float_operators',
  check: (node, target) => {
    if (target.float_operators === 'allowed' || !computesFloat(node, isFloat)) return null
    return floatReason(node, target)
  },
})

function computesFloat(node: Node, isFloat: (value: Value) => boolean): boolean {
  const def = opOf(node)
  const reads = node.inputs.some(
    (value, index) =>
      value && def && inputName(def, index) && inputRole(def, index).kind === 'activation' && isFloat(value),
  )
  return reads || node.outputs.some((value) => value && isFloat(value))
}

export const NODE_RULES: readonly Rule[] = [sameScale, fixedOutput, shifts]
