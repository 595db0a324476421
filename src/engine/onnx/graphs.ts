/** GraphProto → Graph: names become Values that know their producer and readers; subgraphs see the values around them. */

import { FewbitError } from '../../shared/errors.ts'
import { dtypeOf } from '../ir/dtype.ts'
import { type Attribute, type Dim, Graph, Node, sortedNodes, Value } from '../ir/graph.ts'
import { operatorCalled } from '../ir/operators.ts'
import { bytesIn, readAttribute } from './attributes.ts'
import type { Message } from './schema.ts'
import { readSparseTensor, readTensor, type TensorReader } from './tensors.ts'

type GraphProto = Message<'GraphProto'>
type NodeProto = Message<'NodeProto'>

export interface GraphReader extends TensorReader {
  names: Set<string>
  warnings: string[]
}

interface Scope {
  values: Map<string, Value>
  outer: Scope | null
}

const quote = (name: string): string => JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name)
const invalid = (detail: string): FewbitError => new FewbitError('model_invalid', detail)

/** Throws model_invalid for names that are read but not produced, or produced twice, and for cycles. */
export function readGraph(reader: GraphReader, proto: GraphProto, outer: Scope | null = null): Graph {
  const graph = new Graph(proto.name ?? '')
  const scope: Scope = { values: new Map(), outer }
  readInitializers(reader, proto, graph, scope)
  readInputs(reader, proto, graph, scope)
  const nodes = (proto.node ?? []).map((node) => ({ proto: node, outputs: declareOutputs(reader, scope, node) }))
  for (const { proto: node, outputs } of nodes) graph.addNode(readNode(reader, scope, node, outputs))
  for (const info of proto.value_info ?? []) applyType(reader, scope.values.get(info.name ?? ''), info)
  for (const info of proto.output ?? []) graph.outputs.push(readOutput(reader, scope, info))
  refuseCycles(graph)
  return graph
}

function declare(reader: GraphReader, scope: Scope, name: string, value = new Value(name)): Value {
  if (scope.values.has(name)) throw invalid(`the value ${quote(name)} is defined twice`)
  scope.values.set(name, value)
  reader.names.add(name)
  return value
}

function readInitializers(reader: GraphReader, proto: GraphProto, graph: Graph, scope: Scope): void {
  const dense = (proto.initializer ?? []).map((tensor) => ({
    name: tensor.name ?? '',
    tensor: readTensor(reader, tensor),
  }))
  const sparse = (proto.sparse_initializer ?? []).map((tensor) => readSparseTensor(reader, tensor))
  for (const { name, tensor } of [...dense, ...sparse]) {
    graph.addInitializer(declare(reader, scope, name, new Value(name, tensor.dtype, tensor.shape, tensor)))
  }
}

/** Inputs that have a default value become constants. */
function readInputs(reader: GraphReader, proto: GraphProto, graph: Graph, scope: Scope): void {
  for (const info of proto.input ?? []) {
    const name = info.name ?? ''
    if (scope.values.get(name)?.isConstant) continue
    const value = declare(reader, scope, name)
    applyType(reader, value, info)
    graph.inputs.push(value)
  }
}

function declareOutputs(reader: GraphReader, scope: Scope, { output = [] }: NodeProto): (Value | null)[] {
  return output.map((name) => (name === '' ? null : declare(reader, scope, name)))
}

function readNode(reader: GraphReader, scope: Scope, proto: NodeProto, outputs: (Value | null)[]): Node {
  const { op_type = '', domain = '' } = proto
  const name = proto.name || unnamed(reader, op_type)
  reader.names.add(name)
  const inputs = (proto.input ?? []).map((input) =>
    input === '' ? null : resolve(scope, input, `node ${quote(name)} (${op_type})`),
  )
  const attributes = new Map(
    (proto.attribute ?? []).map((attribute) => [attribute.name ?? '', attributeOf(reader, scope, attribute)]),
  )
  const node = new Node(name, operatorCalled(op_type), domain === 'ai.onnx' ? '' : domain, inputs, outputs, attributes)
  node.overload = proto.overload ?? ''
  return node
}

const attributeOf = (reader: GraphReader, scope: Scope, proto: Message<'AttributeProto'>): Attribute =>
  readAttribute(reader, proto, (graph) => readGraph(reader, graph, scope))

/** A name for a node without one, so that plans and errors can speak of it. */
function unnamed(reader: GraphReader, opType: string): string {
  for (let i = reader.names.size; ; i++) {
    const name = `${opType}_${i}`
    if (!reader.names.has(name)) return name
  }
}

function resolve(scope: Scope, name: string, reader: string): Value {
  for (let at: Scope | null = scope; at; at = at.outer) {
    const value = at.values.get(name)
    if (value) return value
  }
  throw invalid(`${reader} reads ${quote(name)}, which nothing produces`)
}

function readOutput(reader: GraphReader, scope: Scope, info: Message<'ValueInfoProto'>): Value {
  const value = resolve(scope, info.name ?? '', 'the list of outputs')
  if (!value.isConstant && scope.values.get(value.name) === value) applyType(reader, value, info)
  return value
}

function applyType(reader: GraphReader, value: Value | undefined, { type }: Message<'ValueInfoProto'>): void {
  if (!value || !type) return
  const tensor = type.tensor_type
  if (!tensor) {
    value.opaqueType = type.extent && bytesIn(reader, type.extent)
    return
  }
  value.dtype = dtypeOf(tensor.elem_type ?? 0)
  value.shape = tensor.shape ? (tensor.shape.dim ?? []).map(dimOf) : undefined
}

/** Exporters write 0 or −1 for a first dimension that is free, −1 for any other; a later dimension of 0 is a value without elements. */
function dimOf({ dim_value, dim_param }: Message<'DimensionProto'>, axis: number): Dim {
  if (dim_value === undefined) return dim_param || null
  return dim_value < (axis === 0 ? 1 : 0) ? null : dim_value
}

function refuseCycles(graph: Graph): void {
  try {
    sortedNodes(graph)
  } catch (error) {
    throw invalid((error as Error).message)
  }
}
