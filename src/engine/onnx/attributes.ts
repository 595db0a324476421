/** AttributeProto → Attribute; kinds that we only carry keep their bytes. */
import { FewbitError } from '../../shared/errors.ts'
import type { FileSlice } from '../ir/file.ts'
import type { Attribute, Graph } from '../ir/graph.ts'
import { bytesOf } from '../ir/tensor.ts'
import { ATTRIBUTE_TYPES, type Message } from './schema.ts'
import { readTensor, type TensorReader } from './tensors.ts'

type AttributeProto = Message<'AttributeProto'>
type Kind = keyof typeof ATTRIBUTE_TYPES

const KINDS = new Map<number, Kind>(Object.entries(ATTRIBUTE_TYPES).map(([kind, code]) => [code, kind as Kind]))

/** Reads a subgraph in the scope of the node that holds it. */
export type ReadGraph = (proto: Message<'GraphProto'>) => Graph

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function bytesIn(reader: TensorReader, data: Uint8Array | FileSlice): Uint8Array {
  if (data instanceof Uint8Array) return data
  reader.budget.takeBytes(data.length)
  return bytesOf({ dtype: 'uint8', shape: [data.length], data })
}

/** Reads one attribute. Throws model_invalid or model_tensor_invalid. */
export function readAttribute(reader: TensorReader, proto: AttributeProto, readGraph: ReadGraph): Attribute {
  const kind = proto.ref_attr_name ? undefined : (KINDS.get(proto.type ?? 0) ?? kindOfContent(proto))
  const attribute = kind && READERS[kind](proto, reader, readGraph)
  return attribute ?? carried(reader, proto)
}

function carried(reader: TensorReader, { name, extent }: AttributeProto): Attribute {
  if (!extent) throw new FewbitError('model_invalid', `attribute "${name}" has no value`)
  return { kind: 'unknown', value: bytesIn(reader, extent) }
}

/** IR versions below 2 have no type. */
function kindOfContent(proto: AttributeProto): Kind | undefined {
  if (proto.type) return undefined
  const fields = {
    f: 'float',
    i: 'int',
    s: 'string',
    t: 'tensor',
    g: 'graph',
    floats: 'floats',
    ints: 'ints',
    strings: 'strings',
    tensors: 'tensors',
    graphs: 'graphs',
  } as const
  for (const [field, kind] of Object.entries(fields)) if (proto[field as keyof typeof fields] !== undefined) return kind
  return undefined
}

type ReadKind = (proto: AttributeProto, reader: TensorReader, readGraph: ReadGraph) => Attribute | undefined

/** Strings that are no text (tokenizer tables) are carried as bytes. */
function textOf(reader: TensorReader, bytes: Uint8Array | FileSlice): string | undefined {
  try {
    return utf8.decode(bytesIn(reader, bytes))
  } catch (error) {
    if (error instanceof FewbitError) throw error
    return undefined
  }
}

const READERS: Record<Kind, ReadKind> = {
  float: ({ f = 0 }) => ({ kind: 'float', value: f }),
  int: ({ i = 0, extent }, reader) =>
    Number.isSafeInteger(i) || !extent
      ? { kind: 'int', value: i }
      : { kind: 'unknown', value: bytesIn(reader, extent) },
  string: ({ s = new Uint8Array() }, reader) => {
    const value = textOf(reader, s)
    return value === undefined ? undefined : { kind: 'string', value }
  },
  tensor: ({ t }, reader) => t && { kind: 'tensor', value: readTensor(reader, t) },
  graph: ({ g }, _, readGraph) => g && { kind: 'graph', value: readGraph(g) },
  floats: ({ floats }, reader) => ({ kind: 'floats', value: floats ? floatsIn(bytesIn(reader, floats)) : [] }),
  ints: ({ ints = [] }) => (ints.every(Number.isSafeInteger) ? { kind: 'ints', value: ints } : undefined),
  strings: ({ strings = [] }, reader) => {
    const texts = strings.map((bytes) => textOf(reader, bytes))
    return texts.every((text) => text !== undefined) ? { kind: 'strings', value: texts } : undefined
  },
  tensors: ({ tensors = [] }, reader) => ({
    kind: 'tensors',
    value: tensors.map((tensor) => readTensor(reader, tensor)),
  }),
  graphs: ({ graphs = [] }, _, readGraph) => ({ kind: 'graphs', value: graphs.map(readGraph) }),
}

const floatsIn = (bytes: Uint8Array): number[] => [...new Float32Array(bytes.slice().buffer)]
