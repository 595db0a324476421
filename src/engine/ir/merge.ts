/** Two models that read the same inputs become one. */
import { allGraphs, freshName, type Model, replaceUses, type Value } from './graph.ts'

/**
 * Moves the nodes and constants of `other` into `model`, under names that are free there; its values stay the same objects. Inputs of one name become
 * one. Outputs of `other` become values like any other. `other` is of no use afterwards.
 */
export function mergeInto(model: Model, other: Model): void {
  joinInputs(model, other)
  const shared = new Set<Value>(other.graph.inputs)
  for (const graph of allGraphs(other.graph)) {
    for (const value of [...graph.inputs, ...graph.initializers]) if (!shared.has(value)) rename(model, value)
    for (const node of graph.nodes) {
      node.name = freshName(model, node.name || node.opType)
      for (const value of node.outputs) if (value) rename(model, value)
    }
  }
  for (const value of other.graph.initializers) model.graph.addInitializer(value)
  for (const node of other.graph.nodes) model.graph.addNode(node)
  for (const [domain, version] of other.opsets)
    model.opsets.set(domain, Math.max(version, model.opsets.get(domain) ?? 0))
}

function joinInputs({ graph }: Model, other: Model): void {
  const inputs = new Map(graph.inputs.map((value) => [value.name, value]))
  for (const input of other.graph.inputs) {
    const same = inputs.get(input.name)
    if (!same) throw new Error(`"${input.name}" is an input of one model only`)
    replaceUses(input, same)
  }
}

function rename(model: Model, value: Value): void {
  value.name = freshName(model, value.name)
}
