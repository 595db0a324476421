/** Announces a resumable upload: its bytes count among those of its owner until it is complete, deleted or expired. */
import type { DatasetSpec } from '../contract/recipe.ts'
import type { Deps } from '../deps.ts'
import { holdBytes } from '../owners/pending-bytes.ts'
import { FewbitError } from '../shared/errors.ts'
import { findUpload } from './get-upload.ts'
import { uploadKey } from './keys.ts'
import { LIFETIME_MS, type StoredUpload, type UploadRecord } from './upload.ts'

export interface UploadRequest {
  kind: 'model' | 'dataset'
  name: string
  size_bytes: number
  sha256?: string | undefined
  part_size_bytes?: number | undefined
  spec?: DatasetSpec | undefined
  metadata?: Record<string, string> | undefined
}

export const [LEAST_PART_BYTES, USUAL_PART_BYTES, MOST_PART_BYTES] = [64 << 10, 16 << 20, 256 << 20]
const MOST_PARTS = 10_000

/** An upload that has this id already is that of a request whose answer was lost. Throws payload_too_large, invalid_request, stored_bytes_exceeded, too_many_uploads. */
export async function createUpload(
  deps: Deps,
  owner: string,
  id: string,
  request: UploadRequest,
): Promise<StoredUpload> {
  const made = await findUpload(deps, id)
  if (made) return made
  const record = recordOf(deps, owner, id, request)
  const until = Date.now() + LIFETIME_MS
  await holdBytes(deps, owner, { id, bytes: record.size_bytes, until })
  const key = uploadKey(deps, id)
  const fields = { record: JSON.stringify(record), until }
  await deps.redis.multi().hset(key, fields).pexpireat(key, until).exec()
  return { record, parts: [], resultId: null, expiresAt: until }
}

function recordOf({ config }: Deps, owner: string, id: string, request: UploadRequest): UploadRecord {
  const { kind, name, size_bytes, sha256 = null, spec = null, metadata = {} } = request
  if (size_bytes > config.MAX_UPLOAD_BYTES)
    throw new FewbitError('payload_too_large', `at most ${config.MAX_UPLOAD_BYTES} bytes are accepted`)
  const part_size_bytes = request.part_size_bytes ?? usualPartSize(size_bytes)
  const part_count = Math.ceil(size_bytes / part_size_bytes)
  if (part_count > MOST_PARTS) {
    const detail = `${part_count} parts of ${part_size_bytes} bytes; at most ${MOST_PARTS} are kept`
    throw new FewbitError('invalid_request', detail, { param: '/part_size_bytes' })
  }
  const created_at = new Date().toISOString()
  return {
    ...{ id, object: 'upload', owner, kind, name, size_bytes, sha256, part_size_bytes, part_count },
    ...{ spec, metadata, created_at },
  }
}

const usualPartSize = (size: number): number => Math.max(USUAL_PART_BYTES, Math.ceil(size / MOST_PARTS))
