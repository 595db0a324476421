/** Types of sequences and optionals in half precision: bodies of loops name them where they carry one. */
import { codeOf } from '../../ir/dtype.ts'
import type { Graph, Value } from '../../ir/graph.ts'

/** fields of TypeProto, and of the messages inside, that hold the type of an element. Source: onnx.proto */
const SEQUENCE = 4
const OPTIONAL = 9
const TENSOR = 1
const ELEMENT = 1
/** wire type of a message */
const LENGTH = 2

/** Changes what the graph says of its sequences of float32, in place of the value's own bytes. */
export function halveSequences({ inputs, outputs, nodes }: Graph): void {
  const computed = [...nodes].flatMap((node) => node.outputs.filter((value): value is Value => value !== null))
  for (const value of new Set([...inputs, ...outputs, ...computed]))
    if (value.opaqueType) value.opaqueType = halved(value.opaqueType)
}

function halved(type: Uint8Array): Uint8Array {
  const at = elementType(type, 0, type.length)
  if (at === null || type[at] !== codeOf('float32')) return type
  return Uint8Array.from(type, (byte, i) => (i === at ? codeOf('float16') : byte))
}

/** Where the code of the element type lies in a TypeProto, or null where it is a map or sparse. Codes of element types take one byte. */
function elementType(bytes: Uint8Array, start: number, end: number): number | null {
  const tag = bytes[start]
  const found = message(bytes, start, end)
  if (tag === undefined || !found) return null
  const field = tag >> 3
  if (field === TENSOR) return bytes[found.start] === ELEMENT << 3 ? found.start + 1 : null
  if (field !== SEQUENCE && field !== OPTIONAL) return null
  const inner = message(bytes, found.start, found.end)
  return inner && bytes[found.start] === ((ELEMENT << 3) | LENGTH) ? elementType(bytes, inner.start, inner.end) : null
}

/** The content of the message whose tag is at `start`; null where there is none. */
function message(bytes: Uint8Array, start: number, end: number): { start: number; end: number } | null {
  if (((bytes[start] ?? 0) & 7) !== LENGTH) return null
  let length = 0
  let at = start + 1
  for (let shift = 0; at < end; shift += 7) {
    const byte = bytes[at++] ?? 0
    length |= (byte & 0x7f) << shift
    if (byte < 0x80) return at + length <= end ? { start: at, end: at + length } : null
  }
  return null
}
