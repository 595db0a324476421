/** A window over an open file: reads protobuf's primitive values at a position without reading what is skipped. */
import { readSync } from 'node:fs'
import { FewbitError } from '../../shared/errors.ts'
import type { OpenFile } from '../ir/file.ts'

const WINDOW_BYTES = 64 * 1024
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function truncated(detail: string): FewbitError {
  return new FewbitError('model_truncated', detail, { hint: 'upload the file again and compare its size' })
}

export class FileWindow {
  readonly file: OpenFile
  readonly size: number
  position = 0
  /** the two halves of the last varint, each an unsigned 32-bit number */
  low = 0
  high = 0
  readonly #buffer = new Uint8Array(WINDOW_BYTES)
  readonly #numbers = new DataView(this.#buffer.buffer)
  #start = 0
  #end = 0

  constructor(file: OpenFile, size: number) {
    this.file = file
    this.size = size
  }

  /** Index in the buffer of `count` bytes at the position, which moves past them. */
  #take(count: number): number {
    if (this.position < this.#start || this.position + count > this.#end) this.#fill(count)
    const index = this.position - this.#start
    this.position += count
    return index
  }

  #fill(count: number): void {
    if (this.position + count > this.size)
      throw truncated(`the file ends at byte ${this.size} in the middle of a field`)
    this.#start = this.position
    this.#end = this.position
    while (this.#end < this.position + count) {
      const room = WINDOW_BYTES - (this.#end - this.#start)
      const got = readSync(this.file.fd, this.#buffer, this.#end - this.#start, room, this.#end)
      if (got === 0) throw truncated(`the file ends at byte ${this.#end} in the middle of a field`)
      this.#end += got
    }
  }

  byte(): number {
    return this.#buffer[this.#take(1)]!
  }

  /** Reads a varint of up to 64 bits into `low` and `high`. */
  varint(): void {
    let low = 0
    let high = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.byte()
      const bits = byte & 0x7f
      if (shift < 32) low |= bits << shift
      if (shift > 24) high |= shift >= 32 ? bits << (shift - 32) : bits >>> (32 - shift)
      if (byte < 0x80) {
        this.low = low >>> 0
        this.high = high >>> 0
        return
      }
    }
    throw new FewbitError('model_invalid', `the number at byte ${this.position} is longer than 64 bits`)
  }

  /** A signed 64-bit varint as a number; beyond 2^53 it is rounded. */
  int(): number {
    this.varint()
    return (this.high | 0) * 2 ** 32 + this.low
  }

  /** An unsigned varint: a length or a tag. */
  unsigned(): number {
    this.varint()
    return this.high * 2 ** 32 + this.low
  }

  float(): number {
    return this.#numbers.getFloat32(this.#take(4), true)
  }

  /** A copy of the next bytes. */
  bytes(count: number): Uint8Array {
    if (count > WINDOW_BYTES) return this.#longBytes(count)
    const index = this.#take(count)
    return this.#buffer.slice(index, index + count)
  }

  #longBytes(count: number): Uint8Array {
    if (this.position + count > this.size)
      throw truncated(`the file ends at byte ${this.size} in the middle of a field`)
    const bytes = new Uint8Array(count)
    for (let done = 0; done < count; ) {
      const got = readSync(this.file.fd, bytes, done, count - done, this.position + done)
      if (got === 0) throw truncated(`the file ends at byte ${this.position + done} in the middle of a field`)
      done += got
    }
    this.position += count
    return bytes
  }

  /** The next bytes as UTF-8; refuses what is not. */
  string(count: number): string {
    const at = this.position
    try {
      return utf8.decode(this.bytes(count))
    } catch (error) {
      if (error instanceof FewbitError) throw error
      throw new FewbitError('model_invalid', `the text at byte ${at} is not UTF-8`)
    }
  }
}
