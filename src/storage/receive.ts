/** An upload on its way in: bytes that are stored, but belong to no record yet. */
import type { Readable } from 'node:stream'
import { ulid } from 'ulid'
import type { Deps } from '../deps.ts'
import { putAs, release } from './refs.ts'
import type { StoredObject } from './store.ts'

export interface Received extends StoredObject {
  /** reference that keeps the object until the upload is settled */
  ref: string
}

/** Stores the stream. The caller settles the result in every case, so that a refused upload leaves nothing. */
export async function receive(
  deps: Deps,
  stream: Readable,
  limits: { maxBytes: number; signal?: AbortSignal },
): Promise<Received> {
  const ref = `upload:${ulid().toLowerCase()}`
  return { ...(await putAs(deps, stream, limits, ref)), ref }
}

/** Ends the uploads: what no record has claimed meanwhile is deleted. */
export async function settle(deps: Deps, received: readonly Received[]): Promise<void> {
  for (const { sha256, ref } of received) await release(deps, sha256, ref)
}
