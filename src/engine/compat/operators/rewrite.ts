/** Walks the graph once, and the subgraphs where they are asked for, and lets the rule of every selected operator rewrite it. */

import { MICROSOFT } from '../../ir/domain.ts'
import { allGraphs, sortedNodes } from '../../ir/graph.ts'
import type { Operator } from '../../ir/operators.ts'
import { removeUnusedConstants } from '../clean.ts'
import type { Rewriter, Rule } from './rewriter.ts'

export function rewriteOperators(rewriter: Rewriter, rules: ReadonlyMap<Operator, Rule>): void {
  const { model } = rewriter
  rewriteGraph(rewriter, rules)
  for (const graph of allGraphs(model.graph)) removeUnusedConstants(graph)
  const isContrib = [...allGraphs(model.graph)].some(({ nodes }) =>
    [...nodes].some(({ domain }) => domain === MICROSOFT),
  )
  if (isContrib && !model.opsets.has(MICROSOFT)) model.opsets.set(MICROSOFT, 1)
}

function rewriteGraph(rewriter: Rewriter, rules: ReadonlyMap<Operator, Rule>): void {
  const { graph, options } = rewriter
  for (const node of sortedNodes(graph)) {
    if (options.subgraphs) for (const inner of node.subgraphs) rewriteGraph(rewriter.inside(inner), rules)
    const rule = rewriter.selects(node) ? rules.get(node.opType) : undefined
    if (!rule?.(rewriter, node)) rewriter.keep(node)
  }
  for (const value of graph.outputs) rewriter.dequantize(value)
}
