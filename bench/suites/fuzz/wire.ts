/** Protobuf as a tree of fields that can be changed and written again, right or wrong. */

export type Field = { number: number } & (
  | { kind: 'varint'; value: bigint }
  | { kind: 'fixed'; bytes: Buffer }
  | { kind: 'bytes'; bytes: Buffer }
  | { kind: 'message'; type: string; fields: Field[] }
)

const VARINT = 0
const FIXED64 = 1
const LENGTH = 2
const FIXED32 = 5

/** The messages of onnx.proto that lie in others, by field number. */
const MESSAGES: Record<string, Record<number, string>> = {
  Model: { 7: 'Graph', 8: 'OperatorSet', 14: 'Entry', 25: 'Function' },
  Graph: { 1: 'Node', 5: 'Tensor', 11: 'ValueInfo', 12: 'ValueInfo', 13: 'ValueInfo', 15: 'SparseTensor' },
  Node: { 5: 'Attribute' },
  Attribute: { 5: 'Tensor', 6: 'Graph', 10: 'Tensor', 11: 'Graph', 22: 'SparseTensor', 23: 'SparseTensor' },
  Function: { 7: 'Node', 9: 'OperatorSet', 11: 'Attribute' },
  Tensor: { 13: 'Entry' },
  SparseTensor: { 1: 'Tensor', 2: 'Tensor' },
  ValueInfo: { 2: 'Type' },
  Type: { 1: 'TensorType', 4: 'Sequence', 8: 'TensorType', 9: 'Sequence' },
  Sequence: { 1: 'Type' },
  TensorType: { 2: 'Shape' },
  Shape: { 1: 'Dimension' },
}

/** Of a message that is right. */
export function readFields(bytes: Buffer, type = 'Model'): Field[] {
  const fields: Field[] = []
  for (let at = 0; at < bytes.length; ) {
    const [tag, afterTag] = readVarint(bytes, at)
    const [field, next] = readField(bytes, afterTag, Number(tag >> 3n), Number(tag & 7n), type)
    fields.push(field)
    at = next
  }
  return fields
}

function readField(bytes: Buffer, at: number, number: number, wire: number, type: string): [Field, number] {
  if (wire === VARINT) {
    const [value, next] = readVarint(bytes, at)
    return [{ number, kind: 'varint', value }, next]
  }
  if (wire !== LENGTH) {
    const next = at + (wire === FIXED64 ? 8 : 4)
    return [{ number, kind: 'fixed', bytes: bytes.subarray(at, next) }, next]
  }
  const [length, start] = readVarint(bytes, at)
  const next = start + Number(length)
  const content = bytes.subarray(start, next)
  const inner = MESSAGES[type]?.[number]
  if (inner) return [{ number, kind: 'message', type: inner, fields: readFields(content, inner) }, next]
  return [{ number, kind: 'bytes', bytes: content }, next]
}

export function writeFields(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.flatMap(writeField))
}

function writeField(field: Field): Buffer[] {
  const tag = (wire: number) => writeVarint((BigInt(field.number) << 3n) | BigInt(wire))
  if (field.kind === 'varint') return [tag(VARINT), writeVarint(field.value)]
  if (field.kind === 'fixed') return [tag(field.bytes.length === 8 ? FIXED64 : FIXED32), field.bytes]
  const content = field.kind === 'message' ? writeFields(field.fields) : field.bytes
  return [tag(LENGTH), writeVarint(BigInt(content.length)), content]
}

function readVarint(bytes: Buffer, at: number): [bigint, number] {
  let value = 0n
  for (let shift = 0n; ; shift += 7n) {
    const byte = bytes[at++] ?? 0
    value |= BigInt(byte & 127) << shift
    if (byte < 128) return [value, at]
  }
}

export function writeVarint(value: bigint): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, value)
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return Buffer.from([...bytes, Number(rest)])
}
