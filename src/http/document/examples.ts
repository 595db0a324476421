/** Gives every body an example, by the name of its schema or by its media type. */
import { ACCEPTED_EXAMPLES, EXAMPLES, MEDIA_EXAMPLES } from './examples/index.ts'
import type { Json } from './json.ts'
import { mapObjects } from './map-objects.ts'
import { mapOperations } from './operations.ts'

const SCHEMAS = '#/components/schemas/'

export function addExamples(document: Json): Json {
  const paths = mapOperations(document.paths as Json, illustrated)
  const examples = Object.fromEntries(
    [...namesIn(paths)].toSorted().map((name) => [name, { value: { ...EXAMPLES, ...ACCEPTED_EXAMPLES }[name] }]),
  )
  return { ...document, paths, components: { ...(document.components as Json), examples } }
}

function illustrated({ requestBody, responses, ...operation }: Json): Json {
  const answers = Object.entries(responses as Json).map(([status, answer]) => [
    status,
    withExamples(answer as Json, status === '202'),
  ])
  return {
    ...operation,
    ...(requestBody !== undefined && { requestBody: withExamples(requestBody as Json, false) }),
    responses: Object.fromEntries(answers),
  }
}

/** `body`: of a request or an answer; `accepted`: what it shows has only begun. */
function withExamples({ content, ...body }: Json, accepted: boolean): Json {
  if (content === undefined) return body
  const media = Object.entries(content as Record<string, Json>).map(([type, one]) => [
    type,
    { ...one, ...exampleOf(type, one, accepted) },
  ])
  return { ...body, content: Object.fromEntries(media) }
}

function exampleOf(type: string, { schema, example }: Json, accepted: boolean): Json {
  if (example !== undefined) return {}
  if (type in MEDIA_EXAMPLES) return { example: MEDIA_EXAMPLES[type] }
  const names = componentsIn(schema).flatMap((component) => examplesOf(component, accepted))
  return { examples: Object.fromEntries(names.map((name) => [name, { $ref: `#/components/examples/${name}` }])) }
}

/** The schema itself, or the alternatives of a union. */
function componentsIn(schema: unknown): string[] {
  const { $ref, anyOf = [], oneOf = [] } = schema as { $ref?: string; anyOf?: Json[]; oneOf?: Json[] }
  if ($ref) return [$ref.slice(SCHEMAS.length)]
  return [...anyOf, ...oneOf].flatMap(componentsIn)
}

/** `JobRequest`, `JobRequest.training` … */
function examplesOf(component: string, accepted: boolean): string[] {
  const of = (examples: Readonly<Record<string, unknown>>) =>
    Object.keys(examples).filter((name) => name.split('.')[0] === component)
  const begun = accepted ? of(ACCEPTED_EXAMPLES) : []
  return begun.length > 0 ? begun : of(EXAMPLES)
}

function namesIn(paths: Json): Set<string> {
  const names = new Set<string>()
  mapObjects(paths, (object) => {
    const { $ref } = object
    if (typeof $ref === 'string' && $ref.startsWith('#/components/examples/')) names.add($ref.split('/').at(-1) ?? '')
    return object
  })
  return names
}
