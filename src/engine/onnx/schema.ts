/** The messages of onnx.proto that we read and write: field name → [field number, kind]. */
import type { FileSlice } from '../ir/file.ts'

/**
 * int: varint as a number · float: 32 bits · string: UTF-8 · bytes: in memory when short, else a slice of the file ·
 * ints: repeated int64 as numbers · varints: repeated varints as little-endian 64-bit words · fixed32s, fixed64s: packed words ·
 * anything else names a message.
 */
const SCHEMA = {
  ModelProto: {
    ir_version: [1, 'int'],
    producer_name: [2, 'string'],
    producer_version: [3, 'string'],
    domain: [4, 'string'],
    model_version: [5, 'int'],
    graph: [7, 'GraphProto'],
    opset_import: [8, 'OperatorSetIdProto[]'],
    metadata_props: [14, 'StringStringEntryProto[]'],
    training_info: [20, 'Opaque[]'],
    functions: [25, 'FunctionProto[]'],
  },
  OperatorSetIdProto: { domain: [1, 'string'], version: [2, 'int'] },
  StringStringEntryProto: { key: [1, 'string'], value: [2, 'string'] },
  GraphProto: {
    node: [1, 'NodeProto[]'],
    name: [2, 'string'],
    initializer: [5, 'TensorProto[]'],
    input: [11, 'ValueInfoProto[]'],
    output: [12, 'ValueInfoProto[]'],
    value_info: [13, 'ValueInfoProto[]'],
    sparse_initializer: [15, 'SparseTensorProto[]'],
  },
  NodeProto: {
    input: [1, 'string[]'],
    output: [2, 'string[]'],
    name: [3, 'string'],
    op_type: [4, 'string'],
    attribute: [5, 'AttributeProto[]'],
    domain: [7, 'string'],
    overload: [8, 'string'],
  },
  AttributeProto: {
    name: [1, 'string'],
    f: [2, 'float'],
    i: [3, 'int'],
    s: [4, 'bytes'],
    t: [5, 'TensorProto'],
    g: [6, 'GraphProto'],
    floats: [7, 'fixed32s'],
    ints: [8, 'ints'],
    strings: [9, 'bytes[]'],
    tensors: [10, 'TensorProto[]'],
    graphs: [11, 'GraphProto[]'],
    type: [20, 'int'],
    ref_attr_name: [21, 'string'],
    sparse_tensor: [22, 'SparseTensorProto'],
    sparse_tensors: [23, 'SparseTensorProto[]'],
  },
  FunctionProto: {
    name: [1, 'string'],
    node: [7, 'NodeProto[]'],
    opset_import: [9, 'OperatorSetIdProto[]'],
    domain: [10, 'string'],
    attribute_proto: [11, 'AttributeProto[]'],
    overload: [13, 'string'],
  },
  TensorProto: {
    dims: [1, 'ints'],
    data_type: [2, 'int'],
    segment: [3, 'Opaque'],
    float_data: [4, 'fixed32s'],
    int32_data: [5, 'varints'],
    string_data: [6, 'bytes[]'],
    int64_data: [7, 'varints'],
    name: [8, 'string'],
    raw_data: [9, 'bytes'],
    double_data: [10, 'fixed64s'],
    uint64_data: [11, 'varints'],
    external_data: [13, 'StringStringEntryProto[]'],
    data_location: [14, 'int'],
  },
  SparseTensorProto: { values: [1, 'TensorProto'], indices: [2, 'TensorProto'], dims: [3, 'ints'] },
  ValueInfoProto: { name: [1, 'string'], type: [2, 'TypeProto'] },
  TypeProto: { tensor_type: [1, 'TensorTypeProto'], denotation: [6, 'string'] },
  TensorTypeProto: { elem_type: [1, 'int'], shape: [2, 'TensorShapeProto'] },
  TensorShapeProto: { dim: [1, 'DimensionProto[]'] },
  DimensionProto: { dim_value: [1, 'int'], dim_param: [2, 'string'] },
  /** a message whose content we never look at */
  Opaque: {},
} as const

type Schema = typeof SCHEMA
export type MessageName = keyof Schema

export interface ScalarTypes {
  int: number
  float: number
  string: string
  bytes: Uint8Array | FileSlice
  ints: readonly number[]
  varints: Uint8Array
  fixed32s: Uint8Array | FileSlice
  fixed64s: Uint8Array | FileSlice
}
export type ScalarKind = keyof ScalarTypes

type TypeOf<K, Encoded> = K extends `${infer Element}[]`
  ? TypeOf<Element, Encoded>[]
  : K extends ScalarKind
    ? ScalarTypes[K]
    : K extends MessageName
      ? Message<K, Encoded> | Encoded
      : never

/** A message as an object. `Encoded` is what may stand for a message that is encoded already: nothing when read, bytes when written. */
export type Message<N extends MessageName, Encoded = never> = {
  [F in keyof Schema[N]]?: Schema[N][F] extends readonly [number, infer K] ? TypeOf<K, Encoded> : never
} & {
  /** where the message's own bytes lie in the file; only of the messages in KEEPS_EXTENT */
  extent?: FileSlice
}

/** A message to be written: submessages may be given as bytes. */
export type Written<N extends MessageName> = Message<N, Uint8Array>

export interface Field {
  name: string
  number: number
  kind: ScalarKind | MessageName
  isMessage: boolean
  repeated: boolean
}

/** Messages that may have to be carried through unread. */
export const KEEPS_EXTENT: ReadonlySet<MessageName> = new Set<MessageName>([
  'AttributeProto',
  'FunctionProto',
  'TypeProto',
])

const SCALARS: ReadonlySet<string> = new Set([
  'int',
  'float',
  'string',
  'bytes',
  'ints',
  'varints',
  'fixed32s',
  'fixed64s',
])

function fieldOf([name, [number, text]]: [string, readonly [number, string]]): Field {
  const repeated = text.endsWith('[]')
  const kind = (repeated ? text.slice(0, -2) : text) as Field['kind']
  return { name, number, kind, isMessage: !SCALARS.has(kind), repeated }
}

const fieldsOf = (message: Record<string, readonly [number, string]>): Field[] => Object.entries(message).map(fieldOf)

const FIELDS = new Map<string, readonly Field[]>(
  Object.entries(SCHEMA).map(([name, message]) => [name, fieldsOf(message).sort((a, b) => a.number - b.number)]),
)
const BY_NUMBER = new Map<string, ReadonlyMap<number, Field>>(
  [...FIELDS].map(([name, fields]) => [name, new Map(fields.map((field) => [field.number, field]))]),
)

/** The fields of a message in ascending number. */
export const fieldsOfMessage = (name: MessageName): readonly Field[] => FIELDS.get(name)!
/** The fields of a message by number. */
export const fieldsByNumber = (name: MessageName): ReadonlyMap<number, Field> => BY_NUMBER.get(name)!

/** AttributeProto.AttributeType */
export const ATTRIBUTE_TYPES = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
} as const
