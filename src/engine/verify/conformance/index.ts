/** Does the artifact obey its target? Reads the written model, not the plan. */

import type { Metrics } from '../../../contract/report.ts'
import { allGraphs, type Graph, type Model, type Node, type Value } from '../../ir/graph.ts'
import { steeringNodes } from '../../plan/steering.ts'
import type { FloatTarget, IntegerTarget, Target } from '../../targets/target.ts'
import { CONVERSION_RULES } from './conversion-rules.ts'
import { floatOperators, NODE_RULES } from './node-rules.ts'
import { isConversion, isDequantize } from './parameters.ts'
import type { Rule } from './rule.ts'

type Violation = Metrics['target_conformance']['violations'][number]

/** Every broken rule with its node and where the rule comes from; empty when the artifact is legal. `floats`: names of float values of the prepared model. */
export function violationsOf(model: Model, target: Target, floats: ReadonlySet<string>): Violation[] {
  if (target.kind === 'float') return foreignOperators(model, target)
  if (target.kind !== 'integer') return []
  const isFloat = (value: Value) =>
    value.dtype === 'float32' ||
    value.tensor?.dtype === 'float32' ||
    isDequantize(value.producer) ||
    floats.has(value.name)
  const source = target.sources.join('; ')
  const nodeRules = [...NODE_RULES, floatOperators(isFloat)]
  const broken = [...allGraphs(model.graph)].flatMap((graph) => {
    // Sizes and indices are no numbers that the target computes with.
    const steering = steeringNodes(graph, isFloat)
    const rulesOf = (node: Node) =>
      isConversion(node) ? CONVERSION_RULES : steering.has(node) ? NODE_RULES : nodeRules
    return [...graph.nodes].flatMap((node) => brokenRules(node, target, rulesOf(node)))
  })
  return [...shapeProblems(model.graph, target), ...broken].map((violation) => ({ ...violation, source }))
}

/** Names of the float values of a prepared model: a written one forgets the types of what it computes. */
export const floatNames = ({ graph }: Model): ReadonlySet<string> =>
  new Set(
    [...allGraphs(graph)].flatMap(({ nodes }) =>
      [...nodes].flatMap(({ outputs }) => outputs.flatMap((value) => (value?.dtype === 'float32' ? [value.name] : []))),
    ),
  )

function foreignOperators(model: Model, { id, operators, sources }: FloatTarget): Violation[] {
  if (!operators) return []
  const nodes = [...allGraphs(model.graph)].flatMap((graph) => [...graph.nodes])
  return nodes
    .filter(({ domain, opType }) => domain !== '' || !operators.includes(opType))
    .map(({ name, opType }) => ({
      node: name,
      rule: 'operators',
      detail: `${id} has no ${opType}: it runs on the CPU, between copies`,
      source: sources.join('; '),
    }))
}

function brokenRules(node: Node, target: IntegerTarget, rules: readonly Rule[]): Omit<Violation, 'source'>[] {
  return rules.flatMap(({ name, check }) => {
    const detail = check(node, target)
    return detail === null ? [] : [{ node: node.name, rule: name, detail }]
  })
}

function shapeProblems({ inputs, outputs }: Graph, { shapes }: IntegerTarget): Omit<Violation, 'source'>[] {
  if (shapes === 'dynamic') return []
  return [...inputs, ...outputs].flatMap(({ name, shape }) =>
    shape?.every((dim) => typeof dim === 'number')
      ? []
      : [
          {
            node: name,
            rule: 'shapes',
            detail: `its shape [${shape?.map((dim) => dim ?? '?').join(', ') ?? 'unknown'}] is not fixed`,
          },
        ],
  )
}
