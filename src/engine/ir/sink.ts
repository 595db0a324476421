/** Where encoded bytes go: into one buffer that holds them all, or through a small one into a file. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { FewbitError } from '../../shared/errors.ts'
import { type FileSlice, readInto } from './file.ts'

const BUFFER_BYTES = 4 << 20
/** more than any number takes */
const SLACK = 16

export class Sink {
  readonly bytes: Uint8Array
  readonly view: DataView
  position = 0
  readonly #fd: number | null

  constructor(capacity: number, fd: number | null = null) {
    this.bytes = new Uint8Array(capacity)
    this.view = new DataView(this.bytes.buffer)
    this.#fd = fd
  }

  /** Makes room for so many bytes in a row, of which a number or a name never has many. */
  reserve(count: number): void {
    if (this.position + count > this.bytes.length) this.flush()
  }

  put(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    if (bytes.length > this.bytes.length && this.#fd !== null) writeAll(this.#fd, bytes)
    else {
      this.bytes.set(bytes, this.position)
      this.position += bytes.length
    }
  }

  /** Copies a stretch of a file. Throws model_truncated when it has become shorter. */
  copy({ file, offset, length }: FileSlice): void {
    for (let done = 0; done < length; ) {
      this.reserve(1)
      const count = Math.min(length - done, this.bytes.length - this.position)
      const part = this.bytes.subarray(this.position, this.position + count)
      try {
        readInto(part, file, offset + done)
      } catch (cause) {
        throw new FewbitError('model_truncated', `${length} bytes of weights could not be copied`, { cause })
      }
      this.position += count
      done += count
    }
  }

  /** Zeros until the position in the file, which starts at `written`, is a multiple of `unit`. */
  pad(written: number, unit: number): number {
    const count = (unit - (written % unit)) % unit
    if (count > 0) this.put(new Uint8Array(count))
    return written + count
  }

  flush(): void {
    if (this.#fd !== null) writeAll(this.#fd, this.bytes.subarray(0, this.position))
    this.position = 0
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, Math.min(bytes.length - done, 2 ** 30))
}

/** A sink that keeps everything: `size` is the number of bytes to come. */
export const memorySink = (size: number): Sink => new Sink(size + SLACK)

/** Replaces a file through a sink. Throws what the file system throws. */
export function writeFile(path: string, write: (sink: Sink) => void): void {
  const fd = openSync(path, 'w')
  try {
    const sink = new Sink(BUFFER_BYTES, fd)
    write(sink)
    sink.flush()
  } finally {
    closeSync(fd)
  }
}
