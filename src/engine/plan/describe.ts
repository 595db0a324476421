/** The plan as a document: what became of every node and value, and why. */

import type { Recipe } from '../../contract/recipe.ts'
import type { PlanDocument } from '../../contract/report.ts'
import type { Parameters } from '../insert/insert.ts'
import type { Node, Value } from '../ir/graph.ts'
import { at } from '../ir/list.ts'
import { nameOf } from '../targets/index.ts'
import type { Plan } from './plan.ts'

type PlanNode = PlanDocument['nodes'][number]

export const describeNode = (node: Node, quantized: boolean, reason: string): PlanNode => ({
  node: node.name,
  op_type: node.opType,
  quantized,
  reason,
})

/** Lists nodes and quantized tensors of a static plan. `observerOf` names what gave a value its range, where that is known. */
export function describePlan(
  recipe: Recipe,
  plan: Plan,
  parameters: ReadonlyMap<Value, Parameters>,
  observerOf: (name: string) => string | undefined = () => undefined,
): PlanDocument {
  return {
    target: nameOf(recipe.target),
    method: recipe.method.type,
    nodes: [
      ...[...plan.nodes].map((node) => describeNode(node, true, 'runs in integers')),
      ...[...plan.atRunTime].map(([node, how]) => describeNode(node, true, how)),
      ...[...plan.reasons].map(([node, reason]) => describeNode(node, false, reason)),
    ],
    values: [
      ...[...plan.values].map(([value, planned]) =>
        describeValue(value, 'activation', parameters.get(value), reasonOf(planned.kind, observerOf(value.name))),
      ),
      ...plan.constants.map(({ value, role, axis }) =>
        describeValue(
          value,
          role,
          parameters.get(value),
          axis === null ? 'one scale' : `one scale per index of axis ${axis}`,
        ),
      ),
      ...[...plan.biases.values()].map(({ bias }) =>
        describeValue(bias, 'bias', undefined, 'int32 with scale(input) · scale(weight)'),
      ),
    ],
  }
}

const REASONS = {
  own: 'calibrated range',
  fixed: 'range fixed by the operator',
  given: 'parameters prescribed by the target',
  shared: 'same numbers as its source',
} as const

const reasonOf = (kind: keyof typeof REASONS, observer: string | undefined): string =>
  kind === 'own' && observer ? `${REASONS.own}, ${observer}` : REASONS[kind]

function describeValue(
  value: Value,
  role: string,
  parameters: Parameters | undefined,
  reason: string,
): PlanDocument['values'][number] {
  const scales = parameters && [...parameters.scales]
  return {
    value: value.name,
    role,
    dtype: parameters?.qtype ?? null,
    scale: scales ? (scales.length === 1 ? at(scales, 0) : scales) : null,
    zero_point: parameters?.zeroPoint ?? null,
    axis: parameters?.axis ?? null,
    reason,
  }
}
