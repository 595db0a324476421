/** How a record lies in Redis: a hash with a part for each rate of change. Progress rewrites a kilobyte, and an answer is the parts' text. */
import type { JobRecord } from './job.ts'

/** Every property but owner and version, which are fields of their own. */
const PARTS = {
  fixed: ['id', 'object', 'created_at', 'request', 'retry_of', 'comparison_id', 'metadata'],
  state: [
    'status',
    'priority',
    'phase',
    'progress',
    'queued_at',
    'started_at',
    'finished_at',
    'attempt',
    'limits',
    'checkpoint',
    'error',
    'sandbox',
  ],
  result: ['options', 'metrics', 'artifacts', 'attempts_made', 'best_so_far', 'warnings', 'cost'],
  inputs: ['inputs', 'webhook_secret', 'correlation'],
} as const satisfies Record<string, readonly (keyof JobRecord)[]>

type Part = keyof typeof PARTS
type Placed = (typeof PARTS)[Part][number] | 'owner' | 'version'
/** does not compile when a property has no place */
const PART_NAMES: readonly (Exclude<keyof JobRecord, Placed> extends never ? Part : never)[] = [
  'fixed',
  'state',
  'result',
  'inputs',
]

export type JobState = Pick<JobRecord, (typeof PARTS.state)[number]>

/** Fields and values of the hash: the parts with something of `changed` in them, or all. */
export function fieldsOf(record: JobRecord, changed?: readonly string[]): string[] {
  const names = PART_NAMES.filter((name) => !changed || PARTS[name].some((key) => changed.includes(key)))
  const parts = names.flatMap((name) => [name, JSON.stringify(pick(record, PARTS[name]))])
  return ['version', String(record.version), ...(changed ? [] : ['owner', record.owner]), ...parts]
}

const pick = (record: JobRecord, keys: readonly (keyof JobRecord)[]) =>
  Object.fromEntries(keys.map((key) => [key, record[key]]))

/** What the whole record is read from. */
export const RECORD_FIELDS = ['owner', 'version', ...PART_NAMES] as const

/** Null when there is no such record. What was checked when it was written is not checked again. */
export function recordFrom([owner, version, ...parts]: readonly (string | null | undefined)[]): JobRecord | null {
  if (!owner) return null
  const merged = Object.assign({}, ...parts.map((text) => JSON.parse(text ?? '{}')))
  return { ...merged, owner, version: Number(version) } as JobRecord
}

/** What an answer is made of. */
export const VIEW_FIELDS = ['fixed', 'state', 'result'] as const

/** The job as the outside sees it, as JSON, without reading what is in it. */
export function viewTextFrom(parts: readonly (string | null | undefined)[], links: object): string | null {
  if (!parts[0]) return null
  return `{${parts.map((text) => text!.slice(1, -1)).join(',')},"links":${JSON.stringify(links)}}`
}
