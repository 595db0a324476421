/** Bytes that can be served: what the responder of conditional and range requests needs to know. */
import type { Readable } from 'node:stream'
import type { ByteRange } from './store.ts'

export interface Content {
  sha256: string
  size: number
  /** what a browser would save it as */
  filename: string
  contentType: string
  open(range?: ByteRange): Promise<Readable>
}
