/** Compares entity tags (RFC 9110 §8.8.3, weak comparison). */

const strip = (tag: string): string => tag.trim().replace(/^W\//, '')

/** Whether an If-None-Match field names `etag`. */
export function matchesEtag(field: string | undefined, etag: string): boolean {
  if (field === undefined) return false
  return field.trim() === '*' || field.split(',').some((tag) => strip(tag) === strip(etag))
}
