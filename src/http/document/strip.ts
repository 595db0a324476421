/** Takes out what zod writes and no client needs: limits of JavaScript integers, patterns of dates, closed answers. */
import type { Json } from './json.ts'
import { mapObjects } from './map-objects.ts'

const NOISE: readonly ((schema: Json, key: string) => boolean)[] = [
  (schema, key) => key === 'maximum' && schema.maximum === Number.MAX_SAFE_INTEGER,
  (schema, key) => key === 'minimum' && schema.minimum === Number.MIN_SAFE_INTEGER,
  (schema, key) => key === 'pattern' && schema.format === 'date-time',
  (_schema, key) => key === '$schema' || key === 'propertyNames',
]

export function stripNoise(document: Json): Json {
  const quiet = mapObjects(document, (schema) => without(schema, (key) => NOISE.some((rule) => rule(schema, key))))
  return openAnswers(mapObjects(quiet, asList))
}

/** A tuple of equal members is a list of so many: linters and generators know `items`, and few know `prefixItems`. */
function asList(schema: Json): Json {
  const { prefixItems, items, ...rest } = schema
  if (!Array.isArray(prefixItems) || items !== false) return schema
  const [first] = prefixItems
  const isEven = prefixItems.every((member) => JSON.stringify(member) === JSON.stringify(first))
  return isEven ? { ...rest, items: first } : schema
}

/** Clients must accept new fields: only requests stay closed. */
function openAnswers(document: Json): Json {
  const { schemas = {}, ...components } = document.components as Json
  const opened = Object.entries(schemas as Json).map(([name, schema]) => [
    name,
    isRequest(name) ? schema : open(schema),
  ])
  const paths = mapObjects(document.paths as Json, (object) =>
    object.responses ? { ...object, responses: open(object.responses) } : object,
  )
  return { ...document, paths, components: { ...components, schemas: Object.fromEntries(opened) } }
}

const isRequest = (component: string): boolean => component.endsWith('Input')

function open<T>(schema: T): T {
  return mapObjects(schema, (object) =>
    without(object, (key) => key === 'additionalProperties' && object.additionalProperties === false),
  )
}

function without(object: Json, drop: (key: string) => boolean): Json {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !drop(key)))
}
