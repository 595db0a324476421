/** A pass-through stream that counts and hashes what goes by and stops at a limit. */
import { createHash } from 'node:crypto'
import { Transform } from 'node:stream'
import { FewbitError } from '../shared/errors.ts'
import type { StoredObject } from './store.ts'

export interface Meter {
  stream: Transform
  /** Call once, after the stream ended. */
  measured(): StoredObject
}

/** The stream fails with payload_too_large at the first byte past `maxBytes`. */
export function meter(maxBytes: number): Meter {
  const hash = createHash('sha256')
  let size = 0
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length
      if (size > maxBytes) return done(new FewbitError('payload_too_large', `at most ${maxBytes} bytes are accepted`))
      hash.update(chunk)
      done(null, chunk)
    },
  })
  return { stream, measured: () => ({ sha256: hash.digest('hex'), size }) }
}
