/** Tells whether two requests ask for the same: a digest over what they say, whatever the order in which they say it. */
import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'

interface Upload {
  fields: Record<string, string>
  files: readonly { field: string; filename: string; sha256: string }[]
}

export function fingerprintOf({ params, query, body }: FastifyRequest): string {
  return digestOf({ params, query, body })
}

/** Of an upload the bytes decide, not how they were wrapped. */
export function fingerprintOfForm({ fields, files }: Upload): string {
  return digestOf({ fields, files: files.map(({ field, filename, sha256 }) => ({ field, filename, sha256 })) })
}

const digestOf = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value, sorted)).digest('base64url')

function sorted(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
