/** The invariants of a graph, checked after every pass. */
import { type Graph, type Model, sortedNodes, type Value } from './graph.ts'

/** Throws an error that names the first broken invariant and where it lies. */
export function check(model: Model): void {
  checkGraph(model.graph, new Set())
}

function checkGraph(graph: Graph, outer: ReadonlySet<Value>): void {
  const known = new Set<Value>(outer)
  const names = new Set<string>()
  const define = (value: Value, where: string) => {
    if (names.has(value.name)) throw new Error(`the value "${value.name}" is defined twice (${where})`)
    names.add(value.name)
    known.add(value)
  }
  for (const value of graph.inputs) define(value, 'input')
  for (const value of graph.initializers) {
    if (!value.tensor) throw new Error(`the constant "${value.name}" has no tensor`)
    define(value, 'constant')
  }
  for (const node of graph.nodes) for (const value of node.outputs) if (value) define(value, `node "${node.name}"`)
  checkNodes(graph, known)
  for (const value of graph.outputs)
    if (!known.has(value)) throw new Error(`nothing produces the output "${value.name}"`)
}

function checkNodes(graph: Graph, known: ReadonlySet<Value>): void {
  for (const node of sortedNodes(graph)) {
    const where = `node "${node.name}" (${node.opType})`
    for (const value of node.inputs) {
      if (value && !known.has(value)) throw new Error(`${where} reads "${value.name}", which is not in its graph`)
      if (value && !value.consumers.has(node)) throw new Error(`"${value.name}" does not know that ${where} reads it`)
    }
    for (const value of node.outputs)
      if (value && value.producer !== node) throw new Error(`"${value.name}" has another producer than ${where}`)
    for (const inner of node.subgraphs) checkGraph(inner, known)
  }
}
