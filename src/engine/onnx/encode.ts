/** Model → the bytes of an ONNX file: one allocation, weights copied from where they lie. */
import { codeOf } from '../ir/dtype.ts'
import { type Attribute, type Dim, type Graph, type Model, type Node, sortedNodes, type Value } from '../ir/graph.ts'
import { ATTRIBUTE_TYPES, type Written } from './schema.ts'
import { writeTensor } from './tensors.ts'
import { writeMessage } from './write.ts'

/** First IR version with model-local functions; initializers need not be inputs since 4. */
const LEAST_IR = 8

/** Encodes a model into one file. Throws model_too_complex beyond 2 GiB. */
export function encodeModel(model: Model): Uint8Array {
  return writeMessage('ModelProto', {
    ir_version: Math.max(model.irVersion, LEAST_IR),
    producer_name: model.producer,
    graph: writeGraph(model.graph),
    opset_import: [...model.opsets].map(([domain, version]) => ({ domain, version })),
    metadata_props: [...model.metadata].map(([key, value]) => ({ key, value })),
    functions: model.functions,
  })
}

function writeGraph(graph: Graph): Written<'GraphProto'> {
  const ends = new Set([...graph.inputs, ...graph.outputs])
  const inner = [...graph.nodes]
    .flatMap((node) => [...node.outputs])
    .filter((value): value is Value => value !== null && !ends.has(value))
  return {
    name: graph.name || 'graph',
    node: sortedNodes(graph).map(writeNode),
    initializer: [...graph.initializers].flatMap(({ name, tensor }) => (tensor ? [writeTensor(name, tensor)] : [])),
    input: graph.inputs.map(writeValue),
    output: graph.outputs.map(writeValue),
    value_info: inner.filter(({ dtype }) => dtype).map(writeValue),
  }
}

function writeNode(node: Node): Written<'NodeProto'> {
  const names = (values: readonly (Value | null)[]) => values.map((value) => value?.name ?? '')
  return {
    name: node.name,
    op_type: node.opType,
    ...(node.domain && { domain: node.domain }),
    ...(node.overload && { overload: node.overload }),
    input: names(node.inputs),
    output: names(node.outputs),
    attribute: [...node.attributes].map(([name, attribute]) => writeAttribute(name, attribute)),
  }
}

type Content = Written<'AttributeProto'>
type Writers = {
  [K in Exclude<Attribute['kind'], 'unknown'>]: (value: Extract<Attribute, { kind: K }>['value']) => Content
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const WRITERS: Writers = {
  float: (f) => ({ f }),
  int: (i) => ({ i }),
  string: (text) => ({ s: bytes(text) }),
  tensor: (tensor) => ({ t: writeTensor('', tensor) }),
  graph: (graph) => ({ g: writeGraph(graph) }),
  floats: (values) => ({ floats: new Uint8Array(Float32Array.from(values).buffer) }),
  ints: (ints) => ({ ints }),
  strings: (texts) => ({ strings: texts.map(bytes) }),
  tensors: (tensors) => ({ tensors: tensors.map((tensor) => writeTensor('', tensor)) }),
  graphs: (graphs) => ({ graphs: graphs.map(writeGraph) }),
}

function writeAttribute(name: string, attribute: Attribute): Content | Uint8Array {
  if (attribute.kind === 'unknown') return attribute.value
  const write = WRITERS[attribute.kind] as (value: unknown) => Content
  return { name, type: ATTRIBUTE_TYPES[attribute.kind], ...(write(attribute.value) as object) }
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
