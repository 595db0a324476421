/** Does the artifact obey its target? Reads the written model, not the plan. */
import { allGraphs, type Model, type Node, type Value } from '../ir/graph.ts'
import { view } from '../ir/tensor.ts'
import type { Metrics } from '../report.ts'
import type { IntegerTarget, Target } from '../targets/target.ts'

type Violation = Metrics['target_conformance']['violations'][number]

/** Every broken rule with its node; empty when the artifact is legal. */
export function violationsOf(model: Model, target: Target): Violation[] {
  const nodes = [...allGraphs(model.graph)].flatMap((graph) => [...graph.nodes])
  return nodes.flatMap((node) => (target.kind === 'integer' ? integerViolations(node, target) : []))
}

function integerViolations(node: Node, target: IntegerTarget): Violation[] {
  const rules = RULES[node.opType]
  if (!rules) return []
  return rules.flatMap((rule) => {
    const detail = rule.check(node, target)
    return detail === null ? [] : [{ node: node.name, rule: rule.name, detail }]
  })
}

interface Rule {
  name: string
  /** what is wrong, or null */
  check: (node: Node, target: IntegerTarget) => string | null
}

const typeOf = (value: Value | null | undefined): string => value?.tensor?.dtype ?? value?.dtype ?? 'unknown'

const activationType: Rule = {
  name: 'activation.dtype',
  check: (node, { activation }) =>
    typeOf(node.inputs[2]) === activation.dtype ? null : `${typeOf(node.inputs[2])} instead of ${activation.dtype}`,
}

const scaleIsPositive: Rule = {
  name: 'scale',
  check: (node) => {
    const scale = node.inputs[1]?.tensor
    if (scale?.dtype !== 'float32') return 'the scale is not a float32 constant'
    return view(scale, 'float32').every((x) => x > 0 && Number.isFinite(x))
      ? null
      : 'a scale is not a positive finite number'
  },
}

const weightIsSymmetric: Rule = {
  name: 'weight.zero_point',
  check: (node, { weight }) => {
    const zeroPoint = node.inputs[2]?.tensor
    if (!zeroPoint || zeroPoint.dtype !== weight.dtype || !weight.symmetric) return null
    return view(zeroPoint, weight.dtype).every((z) => z === 0) ? null : 'the zero point of a weight is not 0'
  },
}

const constantType: Rule = {
  name: 'weight.dtype',
  check: (node, { activation, weight, bias }) => {
    const dtype = node.inputs[0]?.tensor?.dtype
    const allowed: string[] = [activation.dtype, weight.dtype, bias.dtype]
    return dtype === undefined || allowed.includes(dtype) ? null : `a constant is stored as ${dtype}`
  },
}

const RULES: Readonly<Record<string, readonly Rule[]>> = {
  QuantizeLinear: [activationType, scaleIsPositive],
  DequantizeLinear: [scaleIsPositive, weightIsSymmetric, constantType],
}
