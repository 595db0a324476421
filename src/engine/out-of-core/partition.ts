/** Cuts a model into parts that run one after the other, each with few enough weights to be loaded alone. */
import { allGraphs, capturedValues, Graph, type Model, type Node, sortedNodes, type Value } from '../ir/graph.ts'

export interface Part {
  model: Model
  /** names of the values that it needs */
  inputs: readonly string[]
  /** names of the values that later parts or the caller need */
  outputs: readonly string[]
}

/**
 * Parts with at most `partBytes` of weights, unless a single node has more. A cut crosses tensors only. Values must know their types;
 * the parts share nodes and values with the model, which must not change while they are used.
 */
export function partition(model: Model, partBytes: number): Part[] {
  const order = sortedNodes(model.graph)
  const last = lastReads(model.graph, order)
  const groups = groupsOf(order, last, partBytes)
  return groups.map((nodes, i) => partOf(model, nodes, i === groups.length - 1))
}

const readsOf = (node: Node): Value[] => [
  ...node.inputs.filter((value): value is Value => value !== null),
  ...capturedValues(node),
]

/** The position of the last node that reads a value; outputs of the graph are read after the end. */
function lastReads({ outputs }: Graph, order: readonly Node[]): Map<Value, number> {
  const last = new Map<Value, number>()
  for (const [at, node] of order.entries()) for (const value of readsOf(node)) last.set(value, at)
  for (const value of outputs) last.set(value, order.length)
  return last
}

function groupsOf(order: readonly Node[], last: ReadonlyMap<Value, number>, partBytes: number): Node[][] {
  const groups: Node[][] = []
  let group: Node[] = []
  let weights = new Set<Value>()
  const alive = new Set<Value>()
  for (const [at, node] of order.entries()) {
    const own = constantsOf(node)
    const isFull = group.length > 0 && bytesOf(new Set([...weights, ...own])) > partBytes
    if (isFull && [...alive].every(({ dtype }) => dtype !== undefined)) {
      groups.push(group)
      group = []
      weights = new Set()
    }
    group.push(node)
    for (const value of own) weights.add(value)
    for (const value of node.outputs) if (value && (last.get(value) ?? -1) > at) alive.add(value)
    for (const value of alive) if ((last.get(value) ?? -1) <= at) alive.delete(value)
  }
  return [...groups, group]
}

/** Constants that a node reads, its subgraphs' own included. */
function constantsOf(node: Node): Value[] {
  const inner = node.subgraphs.flatMap((graph) =>
    [...allGraphs(graph)].flatMap(({ initializers }) => [...initializers]),
  )
  return [...readsOf(node).filter(({ isConstant }) => isConstant), ...inner]
}

const bytesOf = (values: ReadonlySet<Value>): number =>
  [...values].reduce((sum, { tensor }) => sum + (tensor?.data.length ?? 0), 0)

function partOf(model: Model, nodes: readonly Node[], isLast: boolean): Part {
  const graph = new Graph(model.graph.name)
  for (const node of nodes) graph.addNode(node)
  const own = new Set(nodes.flatMap((node) => [...node.outputs]))
  const read = new Set(nodes.flatMap(readsOf))
  const constantOutputs = isLast ? model.graph.outputs.filter(({ isConstant }) => isConstant) : []
  for (const value of [...read, ...constantOutputs])
    if (model.graph.initializers.has(value)) graph.addInitializer(value)
  graph.inputs.push(...[...read].filter((value) => !own.has(value) && !graph.initializers.has(value)))
  const outer = new Set<Value>(model.graph.outputs)
  const isNeeded = (value: Value | null): value is Value =>
    value !== null && (outer.has(value) || [...value.consumers.keys()].some((node) => !graph.nodes.has(node)))
  graph.outputs.push(...[...own].filter(isNeeded), ...constantOutputs)
  const names = (values: readonly Value[]) => values.map(({ name }) => name)
  return { model: { ...model, graph }, inputs: names(graph.inputs), outputs: names(graph.outputs) }
}
