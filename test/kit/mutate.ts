/** Values that a schema does not expect, at every place of it that can be reached. */
import { resolve, type Schema } from './openapi.ts'

const LONG = 'x'.repeat(10_000)
const DEEP = JSON.parse('['.repeat(200) + ']'.repeat(200)) as unknown
const POISON = JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1, "": null}') as unknown

const ODD: Record<string, readonly unknown[]> = {
  string: [null, 0, '', LONG, 'a\u0000b', '\ud800', '../../etc/passwd', '💥', {}, []],
  number: [null, '1', -1, 0, 0.5, 1e308, -1e308, 2 ** 53, true, []],
  boolean: [null, 'true', 1, {}],
  array: [null, {}, 'x', [], [null], Array(2000).fill(0), DEEP],
  object: [null, [], 'x', 0, {}, { x: {} }, POISON],
}
/** stands for a property that is left out */
const ABSENT = Symbol('absent')
const MOST_DEPTH = 4

type Change = readonly [path: readonly string[], value: unknown]

/** Copies of `example` with one thing wrong or strange; `pick` says how many values each place gets, and which. */
export function* mutated(schema: Schema, example: unknown, pick: (from: readonly unknown[]) => readonly unknown[]) {
  for (const [path, value] of changes(schema, [], pick)) yield changed(example, path, value)
  yield changed(example, ['no_such_property'], 1)
}

function* changes(
  given: Schema,
  path: readonly string[],
  pick: (from: readonly unknown[]) => readonly unknown[],
): Generator<Change> {
  const schema = resolve<Schema>(given as { $ref: string })
  const kind = kindOf(schema)
  for (const value of pick([...(ODD[kind] ?? []), ABSENT])) yield [path, value]
  if (path.length >= MOST_DEPTH) return
  const { anyOf = [], oneOf = [], properties = {} } = schema as Record<string, object>
  for (const one of [...(anyOf as Schema[]), ...(oneOf as Schema[])]) yield* changes(one, path, pick)
  for (const [name, property] of Object.entries(properties as Record<string, Schema>))
    yield* changes(property, [...path, name], pick)
}

function kindOf({ type, properties }: Schema): string {
  if (type === 'integer') return 'number'
  return type ?? (properties ? 'object' : 'string')
}

function changed(example: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value === ABSENT ? undefined : value
  const whole = typeof example === 'object' && example !== null ? { ...(example as Record<string, unknown>) } : {}
  const next = changed(whole[key], rest, value)
  if (next === undefined) delete whole[key]
  else whole[key] = next
  return whole
}
