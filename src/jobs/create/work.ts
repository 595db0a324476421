/** What a job does, as a digest: two jobs with the same one would give the same and tell the same address of it. */
import { createHash } from 'node:crypto'
import type { JobRecord } from '../record/job.ts'

export function workOf({ inputs, options, limits, request, webhook_secret }: JobRecord): string {
  const { goals = null, webhook = null } = request
  const said = JSON.stringify({ inputs, options, limits, goals, webhook, webhook_secret }, sorted)
  return createHash('sha256').update(said).digest('hex')
}

function sorted(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
