/** Tells client generators by which property the members of a union differ. */
import type { Json } from './json.ts'
import { mapObjects } from './map-objects.ts'

export function discriminateUnions(document: Json): Json {
  const schemas = ((document.components as Json).schemas ?? {}) as Record<string, Json>
  return mapObjects(document, (object) => discriminated(object, schemas))
}

function discriminated(schema: Json, schemas: Record<string, Json>): Json {
  const refs = refsOf(schema.oneOf)
  if (!refs) return schema
  const mapping = refs.map((ref) => [tagOf(schemas[ref.split('/').at(-1)!]), ref])
  if (mapping.some(([tag]) => tag === undefined)) return schema
  return { ...schema, discriminator: { propertyName: 'type', mapping: Object.fromEntries(mapping) } }
}

function refsOf(members: unknown): string[] | null {
  if (!Array.isArray(members) || members.length === 0) return null
  const refs = members.map((member: Json) => member.$ref)
  return refs.every((ref) => typeof ref === 'string') ? refs : null
}

function tagOf(schema: Json | undefined): unknown {
  const { type } = (schema?.properties ?? {}) as Record<string, Json>
  return type?.const
}
