/** Compares entity tags (RFC 9110 §8.8.3, weak comparison). */
import { FewbitError } from '../shared/errors.ts'

const strip = (tag: string): string => tag.trim().replace(/^W\//, '')

/** Whether an If-None-Match, or If-Match, field names `etag`. */
export function matchesEtag(field: string | undefined, etag: string): boolean {
  if (field === undefined) return false
  return field.trim() === '*' || field.split(',').some((tag) => strip(tag) === strip(etag))
}

/**
 * Throws precondition_failed where the field If-Match names another state than `etag`. Weak tags count: a job's tag is its version, which
 * no two states share.
 */
export function requireMatch(field: string | undefined, etag: string): void {
  if (field === undefined || matchesEtag(field, etag)) return
  throw new FewbitError('precondition_failed', `the resource is at ${etag} now`)
}
