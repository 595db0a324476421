/** Drops constants that nobody reads any more. */
import type { Graph } from '../ir/graph.ts'

export function removeUnusedConstants(graph: Graph): void {
  const outputs = new Set(graph.outputs)
  for (const value of graph.initializers)
    if (value.consumers.size === 0 && !outputs.has(value)) graph.initializers.delete(value)
}
