/** Requests for an operation of openapi.yaml: its examples, and strange ones in path, query, header fields and body. */
import { convNet } from './model.ts'
import { mutated } from './mutate.ts'
import { type Call, examplesOf, type Media, type Parameter, resolve } from './openapi.ts'

export interface Request {
  path: string
  query?: string
  headers?: Record<string, string>
  body?: string | FormData | Uint8Array<ArrayBuffer>
}
type BodyOf = Omit<Request, 'path'>

/** What a test has to fill in and to choose. */
export interface Filling {
  /** the path of a template, some of its parameters given */
  path(template: string, odd?: Record<string, string>): string
  /** replaces the ids of examples by those of things that are there */
  localized(text: string): string
  pick<T>(from: readonly T[], count?: number): readonly T[]
}

const LONG = 'x'.repeat(300)
const ODD_IDS = [
  'x',
  '0',
  '%00',
  '%F0%9F%92%A5',
  '..%2F..%2Fetc',
  'a'.repeat(101),
  'job_01JQ3M7V0C9P8X2T5K6H4W1E7D',
  '%ZZ',
]
const ODD_TEXTS = [
  '',
  '-1',
  '0',
  '1e9',
  'NaN',
  'true',
  'null',
  '%',
  '💥',
  LONG,
  '2026-13-45T99:00:00Z',
  '[1]',
  'a\u0000',
]
const ODD_FIELDS = [
  '',
  ' ',
  '*',
  'W/"1"',
  '"',
  'text/html',
  'a/b;q=2',
  'wait=x',
  'evt_0-0',
  'bytes=9-1',
  LONG,
  'sha-256=:AA==:',
]
/** besides those that the document names */
const FIELDS = ['accept', 'range', 'content-digest', 'idempotency-key', 'if-match', 'prefer', 'content-type']
const ODD_BODIES = ['', '{', 'null', '[]', '1', '"x"', '{"a":1,"a":2}', '\u0000', `{"x":${'['.repeat(5000)}`]
const FORMS: readonly Record<string, string>[] = [
  {},
  { metadata: '[' },
  { metadata: '{"a":1}' },
  { spec: '{"arrays":{"x":{"scale":-1}}}' },
  { [LONG]: '1' },
]

export function* requestsOf(call: Call, filling: Filling): Generator<Request> {
  const path = filling.path(call.path)
  const bodies = [...bodiesOf(call, filling)]
  // of an upload the one that costs nothing
  const usual = { path, ...bodies.find(({ body }) => typeof body === 'string') }
  for (const body of bodies) yield { path, ...body }
  for (const given of call.operation.parameters ?? [])
    for (const change of oddParameter(call, resolve<Parameter>(given as Parameter), filling))
      yield { ...usual, ...change, headers: { ...usual.headers, ...change.headers } }
  yield { ...usual, query: 'no_such_parameter=1' }
  for (const name of FIELDS)
    for (const text of filling.pick(ODD_FIELDS, 1))
      yield { ...usual, headers: { ...usual.headers, ...field(name, text) } }
}

function oddParameter(
  { path }: Call,
  { name, in: place }: Parameter,
  { path: fill, pick }: Filling,
): Partial<Request>[] {
  const query = (text: string) => `${name}=${encodeURIComponent(text)}`
  const rows: Record<Parameter['in'], () => Partial<Request>[]> = {
    path: () => ODD_IDS.map((id) => ({ path: fill(path, { [name]: id }) })),
    query: () => [...pick(ODD_TEXTS, 4).map((text) => ({ query: query(text) })), { query: `${name}=1&${name}=2` }],
    header: () => pick(ODD_FIELDS, 3).map((text) => ({ headers: field(name, text) })),
  }
  return rows[place]()
}

/** fetch takes the bytes of fields as characters */
const field = (name: string, text: string) => ({ [name]: Buffer.from(text).toString('latin1') })

function* bodiesOf({ operation, method }: Call, filling: Filling): Generator<BodyOf> {
  const content = Object.entries(operation.requestBody?.content ?? {})
  for (const [type, media] of content) yield* (BODIES[type] ?? jsonBodies)(media, filling)
  if (content.length === 0 && method !== 'get') yield { headers: { 'content-type': 'application/json' }, body: '{' }
}

const BODIES: Record<string, () => Generator<BodyOf>> = {
  'multipart/form-data': forms,
  'application/octet-stream': raw,
}

function* raw(): Generator<BodyOf> {
  const headers = { 'content-type': 'application/octet-stream' }
  yield { headers, body: new TextEncoder().encode('ten bytes!') }
  yield { headers, body: new Uint8Array() }
}

function* forms(): Generator<BodyOf> {
  for (const fields of FORMS) {
    const form = new FormData()
    for (const [name, value] of Object.entries(fields)) form.set(name, value)
    form.set('file', new Blob([convNet() as Uint8Array<ArrayBuffer>]), 'net.onnx')
    yield { body: form }
  }
  yield { body: new FormData() }
  yield { headers: { 'content-type': 'multipart/form-data; boundary=x' }, body: '--x\r\nnonsense' }
}

function* jsonBodies(media: Media, { localized, pick }: Filling): Generator<BodyOf> {
  const headers = { 'content-type': 'application/json' }
  for (const example of examplesOf(media)) {
    yield { headers, body: localized(JSON.stringify(example)) }
    for (const strange of mutated(media.schema, example, pick))
      yield { headers, body: localized(JSON.stringify(strange) ?? '') }
  }
  for (const body of ODD_BODIES) yield { headers, body }
}
