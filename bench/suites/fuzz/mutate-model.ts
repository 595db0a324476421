/** Models with one to four faults in their structure: fields, shapes, attributes, names, wiring, weights in other files. */
import type { Dice } from './dice.ts'
import { type Field, readFields, writeFields, writeVarint } from './wire.ts'

type Message = Extract<Field, { kind: 'message' }>
/** A field and the list in which it stands. */
interface Place {
  siblings: Field[]
  field: Field
}

const NUMBERS = [
  0n,
  1n,
  2n,
  3n,
  7n,
  8n,
  11n,
  16n,
  23n,
  255n,
  1n << 31n,
  (1n << 32n) - 1n,
  1n << 40n,
  (1n << 63n) - 1n,
  1n << 63n,
  -1n,
  -2n,
]
/** `CANARY` becomes the path of a file that no answer may show anything of. */
const NAMES = [
  '',
  '__proto__',
  'constructor',
  '../secret',
  '/etc/passwd',
  'CANARY',
  '..',
  'a/b',
  '\0',
  '\ud800',
  '%s%n',
  'é'.repeat(40),
  'n'.repeat(70_000),
]
const OPERATORS =
  'Conv Gemm MatMul Add Relu Softmax Reshape Transpose Concat Split Slice Gather Resize Pad If Loop Scan LSTM GRU Cast Constant Shape QuantizeLinear DequantizeLinear BatchNormalization MaxPool AveragePool TopK NonMaxSuppression Einsum'.split(
    ' ',
  )

export function mutateModel(bytes: Buffer, dice: Dice, canary: string): Buffer {
  const fields = readFields(bytes)
  const count = 1 + dice.below(4)
  for (let i = 0; i < count; i++) change(fields, dice, canary)
  const written = writeFields(fields)
  return dice.chance(0.15) ? damage(written, dice) : written
}

/** Flips, cuts, doubles or fills some bytes, wherever they are. */
export function damage(bytes: Buffer, dice: Dice): Buffer {
  const changed = Buffer.from(bytes)
  const at = dice.below(changed.length || 1)
  const ways = [
    () => {
      for (let i = 0; i <= dice.below(8); i++) changed[dice.below(changed.length)] = dice.below(256)
      return changed
    },
    () => changed.subarray(0, at),
    () => Buffer.concat([changed.subarray(0, at), changed.subarray(dice.below(at + 1))]),
    () => changed.fill(dice.below(256), at, Math.min(changed.length, at + 1 + dice.below(64))),
    () => Buffer.concat([changed.subarray(0, at), dice.bytes(1 + dice.below(16)), changed.subarray(at)]),
  ]
  return dice.of(ways)()
}

function change(fields: Field[], dice: Dice, canary: string): void {
  const places = [...placesIn(fields)]
  if (places.length === 0) return
  const place = dice.of(places)
  const kinds: Record<Field['kind'], () => void> = {
    varint: () => changeNumber(place.field as Extract<Field, { kind: 'varint' }>, dice),
    fixed: () => changeFloat(place.field as Extract<Field, { kind: 'fixed' }>, dice),
    bytes: () => changeBytes(place.field as Extract<Field, { kind: 'bytes' }>, places, dice, canary),
    message: () => changeMessage(place as Place & { field: Message }, places, dice, canary),
  }
  if (dice.chance(0.2)) changeStructure(place, places, dice)
  else kinds[place.field.kind]()
}

function* placesIn(siblings: Field[]): Generator<Place> {
  for (const field of siblings) {
    yield { siblings, field }
    if (field.kind === 'message') yield* placesIn(field.fields)
  }
}

function changeNumber(field: Extract<Field, { kind: 'varint' }>, dice: Dice): void {
  field.value = dice.chance(0.4) ? field.value + BigInt(dice.below(7) - 3) : dice.of(NUMBERS)
}

function changeFloat(field: Extract<Field, { kind: 'fixed' }>, dice: Dice): void {
  const value = dice.of([0, -0, 1e-45, -1, 3.4e38, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
  const bytes = Buffer.alloc(field.bytes.length)
  if (bytes.length === 8) bytes.writeDoubleLE(value)
  else bytes.writeFloatLE(value)
  field.bytes = bytes
}

/** Strings, packed numbers and weights: which of them it is, the reader decides. */
function changeBytes(field: Extract<Field, { kind: 'bytes' }>, places: Place[], dice: Dice, canary: string): void {
  const others = places.flatMap(({ field: other }) =>
    other.kind === 'bytes' && other.bytes.length < 100 ? [other.bytes] : [],
  )
  const ways = [
    () => Buffer.from(dice.of(NAMES).replace('CANARY', canary)),
    () => Buffer.from(dice.of(OPERATORS)),
    () => dice.of(others.length > 0 ? others : [field.bytes]),
    () => Buffer.concat(Array.from({ length: 1 + dice.below(6) }, () => writeVarint(dice.of(NUMBERS)))),
    () => Buffer.concat([field.bytes, dice.bytes(1 + dice.below(9))]),
    () => field.bytes.subarray(0, dice.below(field.bytes.length + 1)),
    () => (field.bytes.length > 0 ? damage(field.bytes, dice) : field.bytes),
    () => specialFloats(field.bytes, dice),
  ]
  field.bytes = dice.of(ways)()
}

function specialFloats(bytes: Buffer, dice: Dice): Buffer {
  const changed = Buffer.from(bytes)
  for (let i = 0; i + 4 <= changed.length; i += 4 * (1 + dice.below(9)))
    changed.writeFloatLE(dice.of([Number.NaN, Number.POSITIVE_INFINITY, 3.4e38, 1e-45, 0]), i)
  return changed
}

function changeMessage(
  { siblings, field }: Place & { field: Message },
  places: Place[],
  dice: Dice,
  canary: string,
): void {
  if (field.type === 'Tensor' && dice.chance(0.4)) field.fields.push(...elsewhere(dice, canary))
  else if (field.type === 'Dimension')
    field.fields = [
      dice.of<Field>([
        { number: 1, kind: 'varint', value: dice.of(NUMBERS) },
        { number: 2, kind: 'bytes', bytes: Buffer.from(dice.of(NAMES)) },
      ]),
    ]
  else changeStructure({ siblings, field }, places, dice)
}

/** A tensor whose bytes are said to be in another file, or in a place of it that is not there. */
function elsewhere(dice: Dice, canary: string): Field[] {
  const entry = (key: string, value: string): Field => ({
    number: 13,
    kind: 'message',
    type: 'Entry',
    fields: [
      { number: 1, kind: 'bytes', bytes: Buffer.from(key) },
      { number: 2, kind: 'bytes', bytes: Buffer.from(value) },
    ],
  })
  const location = dice.of([
    canary,
    `../${canary.split('/').at(-1)}`,
    'model.onnx',
    '/etc/passwd',
    'weights.bin',
    '*/_ORT_MEM_ADDR_/*',
  ])
  const lies = ['offset', 'length'].filter(() => dice.chance(0.6)).map((key) => entry(key, String(dice.of(NUMBERS))))
  return [entry('location', location), ...lies, { number: 14, kind: 'varint', value: 1n }]
}

/** Takes away, doubles, moves, renumbers or nests. */
function changeStructure({ siblings, field }: Place, places: Place[], dice: Dice): void {
  const at = siblings.indexOf(field)
  const ways = [
    () => void siblings.splice(at, 1),
    () => void siblings.splice(at, 0, ...copiesOf(field, 1 + dice.below(dice.chance(0.05) ? 2000 : 3))),
    () => void siblings.push(copyOf(dice.of(places).field)),
    () => void siblings.splice(dice.below(siblings.length), 0, ...siblings.splice(at, 1)),
    () => {
      field.number = 1 + dice.below(30)
    },
    () => nest(field, dice),
  ]
  dice.of(ways)()
}

/** As many as fit into a megabyte. */
function copiesOf(field: Field, wanted: number): Field[] {
  const most = Math.ceil((1 << 20) / (1 + writeFields([field]).length))
  return Array.from({ length: Math.min(wanted, most) }, () => copyOf(field))
}

/** Copies of a message in itself, some levels deep. */
function nest(field: Field, dice: Dice): void {
  if (field.kind !== 'message' || field.fields.length > 50) return
  let inside = copyOf(field)
  for (let i = 0; i < 1 + dice.below(120); i++) inside = { ...field, fields: [inside] }
  field.fields = [...field.fields, inside]
}

/** structuredClone makes Uint8Arrays of Buffers. */
function copyOf<T extends Field>(field: T): T {
  return field.kind === 'message' ? { ...field, fields: field.fields.map(copyOf) } : { ...field }
}
