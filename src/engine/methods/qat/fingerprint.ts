/** What a training is: another recipe, model or amount of data is another training. */
import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'

const CHUNK = 1 << 20

/** SHA-256 of a file and of everything else that decides the numbers. */
export function fingerprintOf(modelPath: string, ...rest: readonly unknown[]): string {
  const hash = createHash('sha256').update(JSON.stringify(rest))
  const file = openSync(modelPath, 'r')
  try {
    const chunk = new Uint8Array(CHUNK)
    for (let count = readSync(file, chunk); count > 0; count = readSync(file, chunk))
      hash.update(chunk.subarray(0, count))
  } finally {
    closeSync(file)
  }
  return hash.digest('hex')
}
