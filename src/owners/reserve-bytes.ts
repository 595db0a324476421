/** Room for an upload among the bytes of its owner, held from before the first byte arrives until the upload is recorded or refused. */
import type { Deps } from '../deps.ts'
import { FewbitError } from '../shared/errors.ts'
import { bytesOf } from './usage.ts'

export interface Reservation {
  bytes: number
  /** Call once, in every case. */
  end(): void
}

const HINT = 'Delete models, data sets or jobs that are not needed any more.'

/** `size`: what the client declared; undefined takes what one upload may have at most. Throws stored_bytes_exceeded. */
export async function reserveBytes(deps: Deps, owner: string, size: number | undefined): Promise<Reservation> {
  const { used, max } = await bytesOf(deps, owner)
  const bytes = size ?? Math.min(deps.config.MAX_UPLOAD_BYTES, max - used)
  if (bytes > max - used || max <= used) throw storedBytesExceeded(max)
  deps.arriving.add(owner, bytes)
  return { bytes, end: () => deps.arriving.add(owner, -bytes) }
}

/** Throws stored_bytes_exceeded when there is no room at all: whoever makes artifacts must have some. */
export async function requireRoom(deps: Deps, owner: string): Promise<void> {
  const { used, max } = await bytesOf(deps, owner)
  if (used >= max) throw storedBytesExceeded(max)
}

export const storedBytesExceeded = (max: number): FewbitError =>
  new FewbitError('stored_bytes_exceeded', `models, data sets and artifacts may take ${max} bytes together`, {
    hint: HINT,
  })
