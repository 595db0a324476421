/** A copy of a model that can be changed alone; tensors are immutable and shared. */
import { type Attribute, Graph, type Model, Node, Value } from './graph.ts'
import { bytesOf } from './tensor.ts'

type Copies = Map<Value, Value>

export function cloneModel(model: Model): Model {
  return {
    ...model,
    opsets: new Map(model.opsets),
    graph: cloneGraph(model.graph, new Map()),
    names: new Set(model.names),
    suffixes: new Map(model.suffixes),
    metadata: new Map(model.metadata),
  }
}

function cloneGraph(graph: Graph, copies: Copies): Graph {
  const copy = new Graph(graph.name)
  const copyOf = (value: Value) => cloneValue(value, copies)
  copy.inputs.push(...graph.inputs.map(copyOf))
  for (const value of graph.initializers) copy.initializers.add(copyOf(value))
  for (const node of graph.nodes) copy.nodes.add(cloneNode(node, copies))
  copy.outputs.push(...graph.outputs.map(copyOf))
  return copy
}

/** A value of an enclosing graph was copied before, or is copied when its own graph comes to it. */
function cloneValue(value: Value, copies: Copies): Value {
  const known = copies.get(value)
  if (known) return known
  const copy = new Value(value.name, value.dtype, value.shape, value.tensor)
  copy.opaqueType = value.opaqueType
  copies.set(value, copy)
  return copy
}

function cloneNode(node: Node, copies: Copies): Node {
  const copyOf = (value: Value | null) => value && cloneValue(value, copies)
  const attributes = new Map(
    [...node.attributes].map(([name, value]) => [name, cloneAttribute(value, copies)] as const),
  )
  const copy = new Node(
    node.name,
    node.opType,
    node.domain,
    node.inputs.map(copyOf),
    node.outputs.map(copyOf),
    attributes,
  )
  copy.overload = node.overload
  return copy
}

function cloneAttribute(attribute: Attribute, copies: Copies): Attribute {
  if (attribute.kind === 'graph') return { kind: 'graph', value: cloneGraph(attribute.value, copies) }
  if (attribute.kind === 'graphs')
    return { kind: 'graphs', value: attribute.value.map((graph) => cloneGraph(graph, copies)) }
  return attribute
}

/** Reads the constants of the main graph that still lie in a file into memory, up to so many bytes. */
export function readConstants({ graph }: Model, mostBytes: number): void {
  let left = mostBytes
  for (const value of graph.initializers) {
    const { tensor } = value
    if (!tensor || tensor.data instanceof Uint8Array || tensor.data.length > left) continue
    left -= tensor.data.length
    value.tensor = { ...tensor, data: bytesOf(tensor) }
  }
}
