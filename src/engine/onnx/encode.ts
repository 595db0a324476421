/** Model → ModelProto; `place` says where the bytes of an initializer go. */
import { codeOf } from '../ir/dtype.ts'
import { type Attribute, type Dim, type Graph, type Model, type Node, sortedNodes, type Value } from '../ir/graph.ts'
import { ATTRIBUTE_TYPES, type Written } from './schema.ts'
import { type Place, writeTensor } from './tensors.ts'

/** First IR version with model-local functions; initializers need not be inputs since 4. */
const LEAST_IR = 8

/** The message of a model; it shares the model's tensors. */
export function modelMessage(model: Model, place: Place): Written<'ModelProto'> {
  return {
    ir_version: Math.max(model.irVersion, LEAST_IR),
    producer_name: model.producer,
    graph: writeGraph(model.graph, place),
    opset_import: [...model.opsets].map(([domain, version]) => ({ domain, version })),
    metadata_props: [...model.metadata].map(([key, value]) => ({ key, value })),
    functions: model.functions,
  }
}

function writeGraph(graph: Graph, place: Place): Written<'GraphProto'> {
  const ends = new Set([...graph.inputs, ...graph.outputs])
  const inner = [...graph.nodes]
    .flatMap((node) => [...node.outputs])
    .filter((value): value is Value => value !== null && !ends.has(value))
  return {
    name: graph.name || 'graph',
    node: sortedNodes(graph).map((node) => writeNode(node, place)),
    initializer: [...graph.initializers].flatMap(({ name, tensor }) =>
      tensor ? [writeTensor(name, tensor, place)] : [],
    ),
    input: graph.inputs.map(writeValue),
    output: graph.outputs.map(writeValue),
    value_info: inner.filter(({ dtype }) => dtype).map(writeValue),
  }
}

function writeNode(node: Node, place: Place): Written<'NodeProto'> {
  const names = (values: readonly (Value | null)[]) => values.map((value) => value?.name ?? '')
  return {
    name: node.name,
    op_type: node.opType,
    ...(node.domain && { domain: node.domain }),
    ...(node.overload && { overload: node.overload }),
    input: names(node.inputs),
    output: names(node.outputs),
    attribute: [...node.attributes].map(([name, attribute]) => writeAttribute(name, attribute, place)),
  }
}

type Content = Written<'AttributeProto'>
type Writers = {
  [K in Exclude<Attribute['kind'], 'unknown'>]: (
    value: Extract<Attribute, { kind: K }>['value'],
    place: Place,
  ) => Content
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const WRITERS: Writers = {
  float: (f) => ({ f }),
  int: (i) => ({ i }),
  string: (text) => ({ s: bytes(text) }),
  tensor: (tensor) => ({ t: writeTensor('', tensor) }),
  graph: (graph, place) => ({ g: writeGraph(graph, place) }),
  floats: (values) => ({ floats: new Uint8Array(Float32Array.from(values).buffer) }),
  ints: (ints) => ({ ints }),
  strings: (texts) => ({ strings: texts.map(bytes) }),
  tensors: (tensors) => ({ tensors: tensors.map((tensor) => writeTensor('', tensor)) }),
  graphs: (graphs, place) => ({ graphs: graphs.map((graph) => writeGraph(graph, place)) }),
}

function writeAttribute(name: string, attribute: Attribute, place: Place): Content | Uint8Array {
  if (attribute.kind === 'unknown') return attribute.value
  const write = WRITERS[attribute.kind] as (value: unknown, place: Place) => Content
  return { name, type: ATTRIBUTE_TYPES[attribute.kind], ...(write(attribute.value, place) as object) }
}

function writeValue({ name, dtype, shape, opaqueType }: Value): Written<'ValueInfoProto'> {
  if (opaqueType) return { name, type: opaqueType }
  if (!dtype) return { name }
  return {
    name,
    type: { tensor_type: { elem_type: codeOf(dtype), ...(shape && { shape: { dim: shape.map(writeDim) } }) } },
  }
}

function writeDim(dim: Dim): Written<'DimensionProto'> {
  if (typeof dim === 'number') return { dim_value: dim }
  return dim === null ? {} : { dim_param: dim }
}
