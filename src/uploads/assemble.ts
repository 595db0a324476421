/** Puts the parts of an upload together, and lets go of them when something was made of the whole. */
import { Readable } from 'node:stream'
import { ulid } from 'ulid'
import type { Deps } from '../deps.ts'
import { dropBytes } from '../owners/pending-bytes.ts'
import { FewbitError } from '../shared/errors.ts'
import { someOf } from '../shared/some.ts'
import { type Received, receive, settle } from '../storage/receive.ts'
import { release } from '../storage/refs.ts'
import { getUpload } from './get-upload.ts'
import { completingKey, partField, partRef, uploadKey } from './keys.ts'
import type { StoredUpload } from './upload.ts'

const LEASE_MS = 30_000
const UNLOCK = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`

/**
 * Calls `make` with the whole, whose result has an id; once it has made something, the upload is complete. Of several calls at once one goes
 * on. Throws not_found, upload_incomplete, digest_mismatch, upload_in_progress, and what `make` throws: then the parts stay.
 */
export async function assemble<T>(
  deps: Deps,
  upload: StoredUpload,
  { signal, declared }: { signal: AbortSignal; declared: string | null },
  make: (whole: Received) => Promise<{ id: string; value: T }>,
): Promise<T> {
  const { id, owner } = upload.record
  const lock = await lockUpload(deps, id)
  try {
    const latest = await getUpload(deps, owner, id)
    requireWhole(latest)
    const whole = await receive(deps, wholeOf(deps, latest), { maxBytes: latest.record.size_bytes, signal })
    try {
      requireDigest(whole, [latest.record.sha256, declared])
      const made = await make(whole)
      await deps.redis.hset(uploadKey(deps, id), 'result', made.id)
      await letGo(deps, latest)
      return made.value
    } finally {
      await settle(deps, [whole])
    }
  } finally {
    await lock.end()
  }
}

/** Deletes an upload and what has come of it. Throws not_found and upload_in_progress. */
export async function deleteUpload(deps: Deps, owner: string, id: string): Promise<void> {
  await getUpload(deps, owner, id)
  const lock = await lockUpload(deps, id)
  try {
    const upload = await getUpload(deps, owner, id)
    await deps.redis.del(uploadKey(deps, id))
    await letGo(deps, upload)
  } finally {
    await lock.end()
  }
}

async function letGo(deps: Deps, { record: { id, owner }, parts }: StoredUpload): Promise<void> {
  await dropBytes(deps, owner, id)
  for (const { n, sha256 } of parts) await release(deps, sha256, partRef(id, n))
  const fields = parts.map(({ n }) => partField(n))
  if (fields.length > 0) await deps.redis.hdel(uploadKey(deps, id), ...fields)
}

/** A process that dies holds it for half a minute. */
async function lockUpload(deps: Deps, id: string): Promise<{ end(): Promise<void> }> {
  const key = completingKey(deps, id)
  const token = ulid()
  if (!(await deps.redis.set(key, token, 'PX', LEASE_MS, 'NX')))
    throw new FewbitError('upload_in_progress', `${id} is being put together, or deleted, by another request`)
  const timer = setInterval(() => void deps.redis.pexpire(key, LEASE_MS).catch(() => {}), LEASE_MS / 3)
  return {
    async end() {
      clearInterval(timer)
      await deps.redis.eval(UNLOCK, 1, key, token)
    },
  }
}

function requireWhole({ record, parts }: StoredUpload): void {
  const there = new Set(parts.map(({ n }) => n))
  const missing = Array.from({ length: record.part_count }, (_, i) => i + 1).filter((n) => !there.has(n))
  if (missing.length === 0) return
  const detail = `${missing.length} of ${record.part_count} parts are missing: ${someOf(missing.map(String))}`
  throw new FewbitError('upload_incomplete', detail, { hint: 'GET the upload to see which parts are there.' })
}

function requireDigest({ sha256 }: Received, declared: readonly (string | null)[]): void {
  const other = declared.find((one) => one !== null && one !== sha256)
  if (other) throw new FewbitError('digest_mismatch', `the sha256 was declared as ${other}, the parts give ${sha256}`)
}

function wholeOf({ store }: Deps, { parts }: StoredUpload): Readable {
  async function* chunks(): AsyncGenerator<Buffer> {
    for (const { sha256 } of parts) yield* (await store.get(sha256)) as AsyncIterable<Buffer>
  }
  return Readable.from(chunks(), { objectMode: false })
}
