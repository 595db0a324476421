/** Removes nodes and constants that nothing reads, and operator sets that no node uses. */
import { allGraphs, dropSubgraphs, type Graph, type Model, sortedNodes, type Value } from '../ir/graph.ts'
import type { Pass } from './pass.ts'

export const removeUnused: Pass = {
  name: 'remove-unused',
  run: (model: Model) => {
    removeFrom(model.graph)
    removeOpsets(model)
  },
}

function removeFrom(graph: Graph): void {
  const kept = new Set<Value>(graph.outputs)
  const isUsed = (value: Value | null) => value !== null && (value.consumers.size > 0 || kept.has(value))
  for (const node of sortedNodes(graph).reverse()) {
    if (node.outputs.some(isUsed)) {
      for (const inner of node.subgraphs) removeFrom(inner)
    } else {
      dropSubgraphs(node)
      graph.removeNode(node)
    }
  }
  for (const value of [...graph.initializers]) if (!isUsed(value)) graph.initializers.delete(value)
}

function removeOpsets({ graph, opsets, functions }: Model): void {
  if (functions.length > 0) return
  const used = new Set([...allGraphs(graph)].flatMap(({ nodes }) => [...nodes].map(({ domain }) => domain)))
  for (const domain of [...opsets.keys()]) if (domain !== '' && !used.has(domain)) opsets.delete(domain)
}
