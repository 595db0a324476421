/** Takes one part of a resumable upload: any order, many at a time, as often as it takes. */
import type { Readable } from 'node:stream'
import type { Deps } from '../deps.ts'
import { holdBytes } from '../owners/pending-bytes.ts'
import { FewbitError } from '../shared/errors.ts'
import { putAs, release } from '../storage/refs.ts'
import type { StoredObject } from '../storage/store.ts'
import { partField, partRef, uploadKey } from './keys.ts'
import { LIFETIME_MS, type StoredUpload, sizeOfPart, type UploadPart } from './upload.ts'

export interface PartSource {
  stream: Readable
  signal: AbortSignal
  /** Throws digest_mismatch. */
  verify(sha256: string): void
}

/** What was there before, or '' when the upload is gone or complete. */
const KEEP = `
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HEXISTS', KEYS[1], 'result') == 1 then return '' end
local before = redis.call('HGET', KEYS[1], ARGV[1]) or 'none'
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2], 'until', ARGV[3])
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
return before`

/** Throws not_found for a part that the upload does not have. */
export function requirePart({ record }: StoredUpload, n: number): number {
  if (n >= 1 && n <= record.part_count) return sizeOfPart(record, n)
  throw new FewbitError('not_found', `${record.id} has parts 1 to ${record.part_count}`)
}

/** A part that is there already is replaced. Throws not_found, part_size_mismatch, digest_mismatch, upload_completed and what storing throws. */
export async function putPart(deps: Deps, upload: StoredUpload, n: number, source: PartSource): Promise<UploadPart> {
  const { id } = upload.record
  const size = requirePart(upload, n)
  if (upload.resultId !== null) throw completed(id)
  const ref = partRef(id, n)
  const stored = await putAs(deps, source.stream, { maxBytes: size, signal: source.signal }, ref).catch((error) => {
    throw isTooLarge(error) ? wrongSize(n, `more than ${size}`, size) : error
  })
  try {
    if (stored.size !== size) throw wrongSize(n, String(stored.size), size)
    source.verify(stored.sha256)
    return await keep(deps, upload, n, stored)
  } catch (error) {
    await releaseUnlessKept(deps, id, n, stored.sha256)
    throw error
  }
}

async function keep(
  deps: Deps,
  { record }: StoredUpload,
  n: number,
  { sha256, size }: StoredObject,
): Promise<UploadPart> {
  const { id, owner, size_bytes } = record
  const part = { n, size_bytes: size, sha256 }
  const until = Date.now() + LIFETIME_MS
  const key = uploadKey(deps, id)
  const before = String(await deps.redis.eval(KEEP, 1, key, partField(n), JSON.stringify(part), until))
  if (before === '') throw completed(id)
  await holdBytes(deps, owner, { id, bytes: size_bytes, until })
  if (before !== 'none') await releaseUnlessKept(deps, id, n, (JSON.parse(before) as UploadPart).sha256)
  return part
}

/** The same bytes may have come again meanwhile. */
async function releaseUnlessKept(deps: Deps, id: string, n: number, sha256: string): Promise<void> {
  const now = await deps.redis.hget(uploadKey(deps, id), partField(n))
  if (now && (JSON.parse(now) as UploadPart).sha256 === sha256) return
  await release(deps, sha256, partRef(id, n))
}

const isTooLarge = (error: unknown): boolean => error instanceof FewbitError && error.code === 'payload_too_large'

export const wrongSize = (n: number, found: string, size: number): FewbitError =>
  new FewbitError('part_size_mismatch', `part ${n} has ${size} bytes; ${found} came`)

const completed = (id: string): FewbitError => new FewbitError('upload_completed', `${id} is complete`)
