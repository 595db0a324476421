/** Reads a stream no faster than a rate, so that whoever floods it waits and we do not. */
import type { Readable } from 'node:stream'

const BYTES_PER_SECOND = 1 << 20
/** that may come at once */
const BURST = 4 << 20

/** Calls `take` with each chunk. */
export function readPaced(stream: Readable, take: (chunk: Buffer) => void): void {
  let owed = 0
  let since = performance.now()
  stream.on('data', (chunk: Buffer) => {
    const now = performance.now()
    owed = Math.max(0, owed - ((now - since) / 1000) * BYTES_PER_SECOND) + chunk.length
    since = now
    if (owed > BURST) rest(stream, ((owed - BURST) / BYTES_PER_SECOND) * 1000)
    take(chunk)
  })
}

function rest(stream: Readable, ms: number): void {
  stream.pause()
  setTimeout(() => stream.resume(), ms)
}
