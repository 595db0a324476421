/** Model, Graph, Node and Value: a mutable graph in which every value knows its producer and its consumers. */
import type { DType } from './dtype.ts'
import type { Operator } from './operators.ts'
import type { Tensor } from './tensor.ts'

/** a fixed size, a symbol, or unknown */
export type Dim = number | string | null

/** An ONNX attribute, decoded; `unknown` keeps the bytes of kinds we only carry (sparse tensors, type protos). */
export type Attribute =
  | { kind: 'int'; value: number }
  | { kind: 'float'; value: number }
  | { kind: 'string'; value: string }
  | { kind: 'ints'; value: readonly number[] }
  | { kind: 'floats'; value: readonly number[] }
  | { kind: 'strings'; value: readonly string[] }
  | { kind: 'tensor'; value: Tensor }
  | { kind: 'tensors'; value: readonly Tensor[] }
  | { kind: 'graph'; value: Graph }
  | { kind: 'graphs'; value: readonly Graph[] }
  /** a whole AttributeProto that is carried through unread */
  | { kind: 'unknown'; value: Uint8Array }

export class Value {
  name: string
  /** element type; undefined when unknown */
  dtype: DType | undefined
  /** undefined when even the rank is unknown */
  shape: readonly Dim[] | undefined
  /** constant content: an initializer */
  tensor: Tensor | undefined
  /** a TypeProto that is no tensor (sequence, map, optional), carried through unread */
  opaqueType: Uint8Array | undefined
  producer: Node | null = null
  /** consuming nodes (subgraph nodes included) and how many of their inputs are this value */
  readonly consumers = new Map<Node, number>()

  constructor(name: string, dtype?: DType, shape?: readonly Dim[], tensor?: Tensor) {
    this.name = name
    this.dtype = dtype ?? tensor?.dtype
    this.shape = shape ?? tensor?.shape
    this.tensor = tensor
  }

  get isConstant(): boolean {
    return this.tensor !== undefined
  }
}

export class Node {
  name: string
  opType: Operator
  /** '' is the ONNX standard domain */
  readonly domain: string
  readonly attributes: Map<string, Attribute>
  /** tells model-local functions of one name apart; '' for everything else */
  overload = ''
  readonly #inputs: (Value | null)[] = []
  readonly #outputs: (Value | null)[] = []

  constructor(
    name: string,
    opType: Operator,
    domain: string,
    inputs: readonly (Value | null)[],
    outputs: readonly (Value | null)[],
    attributes: Map<string, Attribute> = new Map(),
  ) {
    this.name = name
    this.opType = opType
    this.domain = domain
    this.attributes = attributes
    for (const value of inputs) this.addInput(value)
    for (const value of outputs) this.addOutput(value)
  }

  /** null where an optional input is omitted */
  get inputs(): readonly (Value | null)[] {
    return this.#inputs
  }
  get outputs(): readonly (Value | null)[] {
    return this.#outputs
  }

  addInput(value: Value | null): void {
    this.#inputs.push(value)
    if (value) retain(value, this)
  }

  setInput(index: number, value: Value | null): void {
    while (this.#inputs.length <= index) this.#inputs.push(null)
    const old = this.#inputs[index]
    if (old === value) return
    if (old) release(old, this)
    this.#inputs[index] = value
    if (value) retain(value, this)
  }

  truncateInputs(length: number): void {
    while (this.#inputs.length > length) {
      const old = this.#inputs.pop()
      if (old) release(old, this)
    }
  }

  addOutput(value: Value | null): void {
    this.#outputs.push(value)
    if (value) value.producer = this
  }

  setOutput(index: number, value: Value | null): void {
    const old = this.#outputs[index]
    if (old?.producer === this) old.producer = null
    this.#outputs[index] = value
    if (value) value.producer = this
  }

  /** Detaches the node from its inputs and outputs. */
  disconnect(): void {
    this.truncateInputs(0)
    for (const value of this.#outputs) if (value?.producer === this) value.producer = null
    this.#outputs.length = 0
  }

  int(name: string, fallback: number): number
  int(name: string): number | undefined
  int(name: string, fallback?: number): number | undefined {
    const attribute = this.attributes.get(name)
    return attribute?.kind === 'int' ? attribute.value : fallback
  }
  float(name: string, fallback: number): number {
    const attribute = this.attributes.get(name)
    return attribute?.kind === 'float' ? attribute.value : fallback
  }
  string(name: string, fallback: string): string {
    const attribute = this.attributes.get(name)
    return attribute?.kind === 'string' ? attribute.value : fallback
  }
  ints(name: string): readonly number[] | undefined {
    const attribute = this.attributes.get(name)
    return attribute?.kind === 'ints' ? attribute.value : undefined
  }
  tensor(name: string): Tensor | undefined {
    const attribute = this.attributes.get(name)
    return attribute?.kind === 'tensor' ? attribute.value : undefined
  }

  /** Subgraphs of If, Loop, Scan and the like. */
  get subgraphs(): Graph[] {
    return [...this.attributes.values()].flatMap((attribute) => {
      if (attribute.kind === 'graph') return [attribute.value]
      return attribute.kind === 'graphs' ? [...attribute.value] : []
    })
  }
}

function retain(value: Value, node: Node): void {
  value.consumers.set(node, (value.consumers.get(node) ?? 0) + 1)
}

function release(value: Value, node: Node): void {
  const count = (value.consumers.get(node) ?? 0) - 1
  if (count > 0) value.consumers.set(node, count)
  else value.consumers.delete(node)
}

export class Graph {
  name: string
  /** runtime inputs, without the initializers */
  readonly inputs: Value[] = []
  readonly outputs: Value[] = []
  /** named constants; every member has a tensor */
  readonly initializers = new Set<Value>()
  /** in file order; `sortedNodes` gives an executable order */
  readonly nodes = new Set<Node>()

  constructor(name = '') {
    this.name = name
  }

  addNode(node: Node): Node {
    this.nodes.add(node)
    return node
  }

  /** Removes a node and disconnects it. Its outputs must have no consumers left that matter. */
  removeNode(node: Node): void {
    this.nodes.delete(node)
    node.disconnect()
  }

  addInitializer(value: Value): Value {
    this.initializers.add(value)
    return value
  }
}

/** Makes every consumer of `from` (optionally only some) read `to`. Graph outputs are not touched. */
export function replaceUses(from: Value, to: Value, only?: (node: Node) => boolean): void {
  for (const node of [...from.consumers.keys()]) {
    if (only && !only(node)) continue
    node.inputs.forEach((value, index) => {
      if (value === from) node.setInput(index, to)
    })
  }
}

export interface Model {
  irVersion: number
  /** operator set version by domain; '' is the ONNX standard domain */
  opsets: Map<string, number>
  graph: Graph
  /** names that are taken anywhere in the model, subgraphs included */
  names: Set<string>
  /** the next suffix to try for a name that is taken */
  suffixes: Map<string, number>
  producer: string
  metadata: Map<string, string>
  /** FunctionProtos, carried through unread */
  functions: Uint8Array[]
  /** where the tensors that a rewrite makes go when memory shall not hold them all; absent: they stay in memory */
  keep?: (tensor: Tensor) => Tensor
}

/** A constant that a rewrite made, kept where the model keeps such. */
export const kept = ({ keep }: Pick<Model, 'keep'>, tensor: Tensor): Tensor => (keep ? keep(tensor) : tensor)

/** A name that is not taken yet: `base`, or `base_1`, `base_2`, … */
export function freshName(model: Model, base: string): string {
  let name = base
  let suffix = model.suffixes.get(base) ?? 1
  for (; model.names.has(name); suffix++) name = `${base}_${suffix}`
  model.suffixes.set(base, suffix)
  model.names.add(name)
  return name
}

/** Detaches the subgraphs of a node that goes away for good from the values outside that they read. */
export function dropSubgraphs(node: Node): void {
  for (const graph of node.subgraphs)
    for (const inner of allGraphs(graph)) for (const lost of [...inner.nodes]) inner.removeNode(lost)
}

/** The graph and, depth first, the subgraphs of its nodes. */
export function* allGraphs(graph: Graph): Generator<Graph> {
  yield graph
  for (const node of [...graph.nodes]) for (const inner of node.subgraphs) yield* allGraphs(inner)
}

/** Values of enclosing graphs that the node's subgraphs read. */
export function capturedValues(node: Node): Set<Value> {
  const captured = new Set<Value>()
  for (const graph of node.subgraphs) collectCaptures(graph, captured)
  return captured
}

function collectCaptures(graph: Graph, captured: Set<Value>): void {
  const own = new Set<Value>([...graph.inputs, ...graph.initializers])
  for (const node of graph.nodes) for (const value of node.outputs) if (value) own.add(value)
  const inner = new Set<Value>()
  for (const node of graph.nodes) {
    for (const value of node.inputs) if (value) inner.add(value)
    for (const value of capturedValues(node)) inner.add(value)
  }
  for (const value of graph.outputs) inner.add(value)
  for (const value of inner) if (!own.has(value)) captured.add(value)
}

/** The nodes in an order in which every value is produced before it is read; keeps the file's order where it can. Throws on a cycle. */
export function sortedNodes(graph: Graph): Node[] {
  const order: Node[] = []
  const state = new Map<Node, 'open' | 'done'>()
  for (const root of graph.nodes) visitNode(root, graph, state, order)
  return order
}

function visitNode(root: Node, graph: Graph, state: Map<Node, 'open' | 'done'>, order: Node[]): void {
  const stack: { node: Node; pending: Node[] }[] = []
  const open = (node: Node) => {
    if (state.get(node) === 'done' || !graph.nodes.has(node)) return
    if (state.get(node) === 'open')
      throw new Error(`the graph has a cycle through node "${node.name}" (${node.opType})`)
    state.set(node, 'open')
    stack.push({ node, pending: producersOf(node) })
  }
  open(root)
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    const next = top.pending.pop()
    if (next) open(next)
    else {
      state.set(top.node, 'done')
      order.push(top.node)
      stack.pop()
    }
  }
}

function producersOf(node: Node): Node[] {
  const producers = new Set<Node>()
  for (const value of node.inputs) if (value?.producer) producers.add(value.producer)
  for (const value of capturedValues(node)) if (value.producer) producers.add(value.producer)
  return [...producers].reverse()
}
