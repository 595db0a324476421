/** Keeps one component where request and answer are the same, and none that nothing refers to. */
import type { Json } from './json.ts'
import { mapObjects } from './map-objects.ts'

const PREFIX = '#/components/schemas/'

const schemasOf = (document: Json): Json => ((document.components as Json).schemas ?? {}) as Json

function withSchemas(document: Json, schemas: Json): Json {
  return { ...document, components: { ...(document.components as Json), schemas } }
}

/** zod gives every component twice, `Model` for answers and `ModelInput` for requests. */
export function mergeInputOutput(document: Json): Json {
  const schemas = schemasOf(document)
  const same = sameNames(schemas)
  const merged = mapObjects(document, (object) => {
    const name = refName(object)
    return name?.endsWith('Input') && same.has(name.slice(0, -5))
      ? { ...object, $ref: PREFIX + name.slice(0, -5) }
      : object
  })
  return merged
}

/** Names whose two forms agree, and so do the two forms of everything they refer to. */
function sameNames(schemas: Json): Set<string> {
  const same = new Set(Object.keys(schemas).filter((name) => isSame(schemas[name], schemas[`${name}Input`])))
  for (let size = -1; size !== same.size; ) {
    size = same.size
    for (const name of same) if (!refsIn(schemas[`${name}Input`]).every((ref) => same.has(ref))) same.delete(name)
  }
  return same
}

/** Components that a schema for requests refers to, without the suffix. */
const refsIn = (schema: unknown): string[] =>
  [...JSON.stringify(schema ?? {}).matchAll(/\/schemas\/(\w+?)Input"/g)].map(([, name]) => name!)

function isSame(output: unknown, input: unknown): boolean {
  return (
    JSON.stringify(output).replaceAll(/(\/schemas\/\w+?)Input"/g, '$1"') ===
    JSON.stringify(input)?.replaceAll(/(\/schemas\/\w+?)Input"/g, '$1"')
  )
}

/** `ModelInput` becomes `Model` where nothing else has this name: what is sent and what is answered do not differ there. */
export function nameLoneInputs(document: Json): Json {
  const schemas = schemasOf(document)
  const isLone = (name: string) => name.endsWith('Input') && !(name.slice(0, -5) in schemas)
  const nameOf = (name: string) => (isLone(name) ? name.slice(0, -5) : name)
  const renamed = withSchemas(
    document,
    Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [nameOf(name), schema])),
  )
  return mapObjects(renamed, renameRefs) as Json

  function renameRefs(object: Json): Json {
    const name = refName(object)
    return name === undefined ? object : { ...object, $ref: PREFIX + nameOf(name) }
  }
}

/** Drops components until each is referred to from outside of itself. */
export function pruneComponents(document: Json): Json {
  const schemas = schemasOf(document)
  const used = new Set<string>()
  collect({ ...document, components: { ...(document.components as Json), schemas: undefined } }, schemas, used)
  const kept = Object.entries(schemas).filter(([name]) => used.has(name))
  return withSchemas(document, Object.fromEntries(kept))
}

function collect(node: unknown, schemas: Json, used: Set<string>): void {
  mapObjects(node, (object) => {
    const name = refName(object)
    if (name && !used.has(name)) {
      used.add(name)
      collect(schemas[name], schemas, used)
    }
    return object
  })
}

function refName({ $ref }: Json): string | undefined {
  return typeof $ref === 'string' && $ref.startsWith(PREFIX) ? $ref.slice(PREFIX.length) : undefined
}
