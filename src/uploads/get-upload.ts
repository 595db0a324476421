/** Reads resumable uploads. */
import type { Deps } from '../deps.ts'
import { pendingOf } from '../owners/pending-bytes.ts'
import { FewbitError } from '../shared/errors.ts'
import { isId } from '../shared/ids.ts'
import { uploadKey } from './keys.ts'
import type { StoredUpload, UploadPart, UploadRecord } from './upload.ts'

type ReadDeps = Pick<Deps, 'config' | 'redis'>

/** Throws not_found, for another owner's upload and for one that has expired too. */
export async function getUpload(deps: ReadDeps, owner: string, id: string): Promise<StoredUpload> {
  const upload = isId('upl', id) ? await findUpload(deps, id) : null
  if (upload?.record.owner !== owner) throw new FewbitError('not_found', `no upload ${id}; unfinished ones expire`)
  return upload
}

/** The upload or null, whoever owns it. */
export async function findUpload(deps: ReadDeps, id: string): Promise<StoredUpload | null> {
  const { record, until, result, ...fields } = await deps.redis.hgetall(uploadKey(deps, id))
  if (record === undefined) return null
  const parts = Object.values(fields).map((text) => JSON.parse(text) as UploadPart)
  return {
    record: JSON.parse(record) as UploadRecord,
    parts: parts.toSorted((a, b) => a.n - b.n),
    resultId: result ?? null,
    expiresAt: Number(until),
  }
}

/** Those of an owner that are not complete, newest first. */
export async function listUploads(deps: ReadDeps, owner: string): Promise<StoredUpload[]> {
  const ids = (await pendingOf(deps, owner)).map(({ id }) => id).toSorted()
  const found = await Promise.all(ids.toReversed().map((id) => findUpload(deps, id)))
  return found.flatMap((upload) => upload ?? [])
}
