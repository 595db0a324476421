/** Store: bytes by key. Content-addressed objects, written once, never changed. */
import type { Readable } from 'node:stream'

export interface StoredObject {
  /** lower-case hex */
  sha256: string
  size: number
}

export interface ByteRange {
  /** first byte */
  start: number
  /** last byte, inclusive */
  end: number
}

/** Called when the digest is known and the object is not there yet; calls `publish`, which puts it there. */
export type Around = (object: StoredObject, publish: () => Promise<void>) => Promise<void>

export interface Store {
  /** Streams bytes in while hashing; atomic: after a failure or an abort nothing is left. Throws payload_too_large past `maxBytes`. */
  put(source: Readable, limits: { maxBytes: number; signal?: AbortSignal }, around?: Around): Promise<StoredObject>
  /** Throws not_found. */
  get(sha256: string, range?: ByteRange): Promise<Readable>
  head(sha256: string): Promise<{ size: number } | null>
  delete(sha256: string): Promise<void>
  /** Milliseconds of the clock; null when there is no such object. */
  storedAt(sha256: string): Promise<number | null>
  /** The digests of all objects, so many at a time; what comes or goes meanwhile may be missing. */
  list(atATime: number): AsyncIterable<string[]>
  /** Removes unfinished uploads that nobody has written to for so long. */
  removeUnfinished(olderThanMs: number): Promise<void>
  /** Copies an object to a local path that does not exist yet (never a link: the reader is not trusted with the original). */
  copyTo(sha256: string, path: string): Promise<void>
  /** Calls `read` with the path of a local, read-only file that holds the object. */
  withFile<T>(sha256: string, read: (path: string) => Promise<T>): Promise<T>
}
