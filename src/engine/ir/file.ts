/** An open file that is closed when nothing refers to it any more. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { resolve } from 'node:path'

export interface OpenFile {
  readonly fd: number
  /** absolute */
  readonly path: string
}

/** A stretch of an open file. */
export interface FileSlice {
  readonly file: OpenFile
  readonly offset: number
  readonly length: number
}

const abandoned = new FinalizationRegistry<number>((fd) => closeSync(fd))

/** Opens a file; `flags` as for `fs.open`. Throws what the file system throws. */
export function openFile(path: string, flags = 'r'): OpenFile {
  const file = { fd: openSync(path, flags), path: resolve(path) }
  abandoned.register(file, file.fd)
  return file
}

export const statOf = ({ fd }: OpenFile) => fstatSync(fd)

/** most bytes of one read: Linux moves no more than 2^31 − 4096 at a time */
const READ_BYTES = 2 ** 30

/** Fills `bytes` from `offset` on. Throws when the file ends before. */
export function readInto(bytes: Uint8Array, { fd }: OpenFile, offset: number): void {
  for (let done = 0; done < bytes.length; ) {
    const count = readSync(fd, bytes, done, Math.min(bytes.length - done, READ_BYTES), offset + done)
    if (count === 0) throw new Error(`the model file ended while ${bytes.length} bytes at ${offset} were read`)
    done += count
  }
}
