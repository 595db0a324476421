/** Adds to each operation what its row says beyond zod: bodies of uploads and downloads, headers of answers. */
import type { Json } from './json.ts'

/** A key, and `x-scope`, which it must have: schemes of HTTP know no scopes of their own. What needs none says so too. */
export function addSecurity(document: Json): Json {
  const paths = mapOperations(document.paths as Json, ({ 'x-scope': scope, ...operation }) => ({
    ...operation,
    ...(scope === 'none' ? { security: [] } : { security: [{ apiKey: [] }], 'x-scope': scope }),
  }))
  return { ...document, paths }
}

export function addOperationDetails(document: Json): Json {
  const paths = mapOperations(document.paths as Json, ({ 'x-document': extra = {}, ...operation }) => {
    const { responses = {}, ...rest } = extra as Json
    return { ...operation, ...rest, responses: mergeResponses(operation.responses as Json, responses as Json) }
  })
  return { ...document, paths }
}

/** Rebuilds every operation under `paths`. */
export function mapOperations(paths: Json, change: (operation: Json, method: string) => Json): Json {
  const items = Object.entries(paths).map(([path, item]) => [path, mapValues(item as Json, change)])
  return Object.fromEntries(items)
}

function mapValues(item: Json, change: (operation: Json, method: string) => Json): Json {
  const entries = Object.entries(item).map(([method, operation]) => [method, change(operation as Json, method)])
  return Object.fromEntries(entries)
}

/** Content and headers of the same status are joined. */
function mergeResponses(generated: Json, added: Json): Json {
  const statuses = Object.keys(added).map((status) => [status, merge(generated[status] as Json, added[status] as Json)])
  return { ...generated, ...Object.fromEntries(statuses) }
}

function merge(generated: Json = {}, added: Json): Json {
  const content = { ...(generated.content as Json), ...(added.content as Json) }
  return { ...generated, ...added, ...(Object.keys(content).length > 0 && { content }) }
}
