/** Walks the graph once and lets the rule of every selected operator rewrite it. */
import { MICROSOFT } from '../../ir/domain.ts'
import { sortedNodes } from '../../ir/graph.ts'
import { removeUnusedConstants } from '../clean.ts'
import type { Rewriter, Rule } from './rewriter.ts'

export function rewriteOperators(rewriter: Rewriter, rules: ReadonlyMap<string, Rule>): void {
  const { graph, model } = rewriter
  for (const node of sortedNodes(graph)) {
    const rule = rewriter.selects(node) ? rules.get(node.opType) : undefined
    if (!rule?.(rewriter, node)) rewriter.keep(node)
  }
  for (const value of graph.outputs) rewriter.dequantize(value)
  removeUnusedConstants(graph)
  const isContrib = [...graph.nodes].some(({ domain }) => domain === MICROSOFT)
  if (isContrib && !model.opsets.has(MICROSOFT)) model.opsets.set(MICROSOFT, 1)
}
