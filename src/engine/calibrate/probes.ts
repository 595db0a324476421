/** A model that is only run for what was added to look at it: every probe runs right behind the node whose result it reads. */
import { type Model, type Node, sortedNodes, type Value } from '../ir/graph.ts'
import { removeUnused } from '../passes/remove-unused.ts'

/**
 * Leaves of the outputs only those that nodes beside `known` write, the nodes from before the probes, and of the nodes what these need. ONNX Runtime
 * orders nodes depth first, starting from those that nobody reads, the last of the file first: with the probes of early values at the end of the
 * file each value is let go of before the next ones come. Without probes nothing happens. The model is changed.
 */
export function onlyProbes(model: Model, known: ReadonlySet<Node>): void {
  const { graph } = model
  const isProbe = ({ producer }: Value) => producer !== null && !known.has(producer)
  const outputs = graph.outputs.filter(isProbe)
  if (outputs.length === 0) return
  graph.outputs.splice(0, graph.outputs.length, ...outputs)
  removeUnused.run(model)
  const order = sortedNodes(graph)
  const places = placesOf(order, known)
  const last = order.filter((node) => !known.has(node)).toSorted((a, b) => places.get(b)! - places.get(a)!)
  for (const node of last) {
    graph.nodes.delete(node)
    graph.nodes.add(node)
  }
}

/** Where each node stands in the order; a probe stands where the last node does that it needs. */
function placesOf(order: readonly Node[], known: ReadonlySet<Node>): Map<Node, number> {
  const places = new Map<Node, number>()
  for (const [place, node] of order.entries()) {
    const needed = node.inputs.flatMap((value) => (value?.producer ? places.get(value.producer)! : []))
    places.set(node, known.has(node) ? place : Math.max(-1, ...needed))
  }
  return places
}
