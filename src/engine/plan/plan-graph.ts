/** Fills in a plan: places the nodes, then decides node by node how values and constants are quantized. */
import type { Graph, Node } from '../ir/graph.ts'
import { sortedNodes } from '../ir/graph.ts'
import type { IntegerTarget } from '../targets/target.ts'
import { planNode } from './assign.ts'
import { PLACEMENTS } from './place.ts'
import type { Plan, PlanOptions } from './plan.ts'

/** Plans the main graph for a target. */
export function planGraph(graph: Graph, target: IntegerTarget, options: PlanOptions): Plan {
  const order = sortedNodes(graph)
  const { nodes, reasons } = PLACEMENTS[target.placement](order, target, options)
  const plan: Plan = {
    nodes,
    atRunTime: new Map(),
    writers: target.placement === 'inputs' ? new Set() : nodes,
    reasons,
    values: new Map(),
    unread: new Map(),
    ties: [],
    converts: [],
    shifts: target.shifts ?? null,
    constants: [],
    biases: new Map(),
  }
  for (const node of order) if (nodes.has(node)) planNode(node, plan, target, options)
  for (const node of reasons.keys()) planAtRunTime(node, plan, target, options)
  return plan
}

function planAtRunTime(node: Node, { atRunTime, reasons }: Plan, target: IntegerTarget, options: PlanOptions): void {
  const operators: readonly string[] = target.run_time_operators ?? []
  if (node.domain !== '' || !operators.includes(node.opType) || options.excludes(node) !== null) return
  const found = options.atRunTime?.(node)
  if (!found) return
  if ('why' in found) {
    reasons.set(node, found.why)
    return
  }
  atRunTime.set(node, found.how)
  reasons.delete(node)
}
