/** An upload on its way in: bytes that are stored, but belong to no record yet. */
import type { Readable } from 'node:stream'
import { ulid } from 'ulid'
import type { Deps } from '../deps.ts'
import { putAs, release } from './refs.ts'
import type { StoredObject } from './store.ts'

export interface Received extends StoredObject {
  /** reference that keeps the object until the upload is settled */
  ref: string
  /** Ends the sign of life of this reference. */
  end: () => void
}

/** There while the process that takes the upload lives. */
export const uploadingKey = ({ config }: Pick<Deps, 'config'>, id: string): string =>
  `${config.REDIS_PREFIX}:uploading:${id}`

/** Stores the stream. The caller settles the result in every case, so that a refused upload leaves nothing. */
export async function receive(
  deps: Deps,
  stream: Readable,
  limits: { maxBytes: number; signal?: AbortSignal },
): Promise<Received> {
  const id = ulid().toLowerCase()
  const end = signOfLife(deps, uploadingKey(deps, id))
  const ref = `upload:${id}`
  try {
    return { ...(await putAs(deps, stream, limits, ref)), ref, end }
  } catch (error) {
    end()
    throw error
  }
}

/** Ends the uploads: what no record has claimed meanwhile is deleted. */
export async function settle(deps: Deps, received: readonly Received[]): Promise<void> {
  for (const { end } of received) end()
  for (const { sha256, ref } of received) await release(deps, sha256, ref)
}

/** A key that outlives this process by a few looks of the collector at most. */
function signOfLife({ config, redis }: Deps, key: string): () => void {
  const pauseMs = config.COLLECTION_SECONDS * 1000
  // what is missed while Redis is away is made good by the next one
  const sign = () => void redis.set(key, '', 'PX', 2 * pauseMs).catch(() => {})
  sign()
  const timer = setInterval(sign, pauseMs / 4)
  return () => {
    clearInterval(timer)
    redis.del(key).catch(() => {})
  }
}
