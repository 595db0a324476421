/** Lists an owner's jobs, newest first, in pages. Filters are looked up in indexes, and only the jobs of the page are read. */
import type { Deps } from '../deps.ts'
import { FewbitError } from '../shared/errors.ts'
import { isId, lastIdUntil } from '../shared/ids.ts'
import { INDEX_NAMES, type IndexName } from './record/indexes.ts'
import { indexKey, ownedKey } from './record/keys.ts'
import { loadJobTexts } from './record/load-job.ts'

export type JobQuery = { [name in IndexName]?: string | undefined } & {
  /** RFC 3339 */
  created_after?: string | undefined
  limit: number
  /** `next_cursor` of the page before */
  after?: string | undefined
}

export interface JobPage {
  /** each job as JSON */
  data: string[]
  has_more: boolean
  next_cursor: string | null
}

/** ids that are looked at, and jobs that are read, at a time */
const BATCH = 500
const READ = 20
/** a page of large jobs ends early */
const PAGE_BYTES = 2 << 20
/** base64url of an id */
export const JOB_CURSOR = /^[\w-]{40}$/

/** Throws invalid_request for a cursor that is none. */
export async function listJobs(deps: Deps, owner: string, query: JobQuery): Promise<JobPage> {
  const ids: string[] = []
  for await (const id of newestFirst(deps, owner, query)) if (ids.push(id) > query.limit) break
  const page = await readPage(deps, ids.slice(0, query.limit))
  const last = page.at(-1)
  const has_more = last !== undefined && last.id !== ids.at(-1)
  return { data: page.map(({ text }) => text), has_more, next_cursor: has_more ? encode(last.id) : null }
}

async function readPage(deps: Deps, ids: readonly string[]): Promise<{ id: string; text: string }[]> {
  const page: { id: string; text: string }[] = []
  let bytes = 0
  for (let from = 0; from < ids.length; from += READ) {
    for (const job of await loadJobTexts(deps, ids.slice(from, from + READ))) {
      bytes += job.text.length
      if (bytes > PAGE_BYTES && page.length > 0) return page
      page.push(job)
    }
  }
  return page
}

/** Walks through the smallest set that holds all that is asked for. */
async function* newestFirst(deps: Deps, owner: string, query: JobQuery): AsyncGenerator<string> {
  const [smallest, ...others] = await bySize(deps, setsOf(deps, owner, query))
  const { created_after, after } = query
  const begin = created_after === undefined ? '-' : `(${lastIdUntil('job', Math.max(0, Date.parse(created_after)))}`
  let end = after === undefined ? '+' : `(${decode(after)}`
  for (;;) {
    const ids = await deps.redis.zrevrangebylex(smallest!, end, begin, 'LIMIT', 0, BATCH)
    yield* await inAll(deps, ids, others)
    if (ids.length < BATCH) return
    end = `(${ids.at(-1)}`
  }
}

function setsOf(deps: Deps, owner: string, query: JobQuery): string[] {
  const filters = INDEX_NAMES.flatMap((name) => {
    const value = query[name]
    return value === undefined ? [] : [indexKey(deps, owner, name, value)]
  })
  return filters.length > 0 ? filters : [ownedKey(deps, owner)]
}

async function bySize({ redis }: Deps, sets: string[]): Promise<string[]> {
  if (sets.length === 1) return sets
  const sizes = await Promise.all(sets.map((key) => redis.zcard(key)))
  return sets.toSorted((a, b) => sizes[sets.indexOf(a)]! - sizes[sets.indexOf(b)]!)
}

async function inAll({ redis }: Deps, ids: string[], sets: readonly string[]): Promise<string[]> {
  if (ids.length === 0 || sets.length === 0) return ids
  const scores = await Promise.all(sets.map((key) => redis.zmscore(key, ...ids)))
  return ids.filter((_, i) => scores.every((found) => found[i] !== null))
}

const encode = (id: string): string => Buffer.from(id).toString('base64url')

function decode(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString()
  if (!isId('job', id)) throw new FewbitError('invalid_request', 'not a cursor of this list', { param: '/query/after' })
  return id
}
