/** Which methods a path answers: what tells 405 from 404. */

export interface RoutePattern {
  methods: readonly string[]
  url: string
}

/** `/v1/jobs/:id` matches one segment for `:id`. */
export function allowedMethods(patterns: readonly RoutePattern[], path: string): string[] {
  const methods = patterns.filter(({ url }) => matches(url, path)).flatMap((pattern) => pattern.methods)
  return [...new Set(methods)].toSorted()
}

function matches(pattern: string, path: string): boolean {
  if (pattern.includes('*')) return false
  const expected = pattern.split('/')
  const given = path.split('/')
  return expected.length === given.length && expected.every((part, i) => part.startsWith(':') || part === given[i])
}
