/** The child that computes: reads its spec, runs the engine, speaks on file descriptor 3. It sees no network and no other job. */
import { existsSync, readSync, writeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { type RunnerMessage, RunnerSpec, STOP_FILE } from '../src/contract/runner-protocol.ts'
import { describeFile } from '../src/engine/report/documents.ts'
import { quantizeSpec } from '../src/engine/spec.ts'
import { lastWords } from './process/last-words.ts'

const CHANNEL = 3
const NEWLINE = 10

const spec = RunnerSpec.parse(JSON.parse(readLine()))
// It blocks on standard input in a thread of its own, because a native call holds this one, and kills the process at its end.
new Worker(new URL('./process/watchdog.js', import.meta.url))

try {
  const { files } = await quantizeSpec(spec, { directory: '.', emit, stop: () => existsSync(STOP_FILE) })
  emit({ type: 'result', files: files.map(describeFile) })
} catch (error) {
  emit(lastWords(error, 'starting'))
}

function emit(message: RunnerMessage): void {
  let rest = Buffer.from(`${JSON.stringify(message)}\n`)
  while (rest.length > 0) rest = rest.subarray(write(rest))
}

/** The pipe may be full for a moment. */
function write(bytes: Buffer): number {
  try {
    return writeSync(CHANNEL, bytes)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    pause(1)
    return 0
  }
}

/** The first line of standard input, and not a byte more: the rest belongs to the watchdog. */
function readLine(): string {
  const bytes: number[] = []
  const byte = new Uint8Array(1)
  while (readByte(byte) && byte[0] !== NEWLINE) bytes.push(byte[0]!)
  return Buffer.from(bytes).toString('utf8')
}

function readByte(byte: Uint8Array): boolean {
  for (;;) {
    try {
      return readSync(0, byte) === 1
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      pause(1)
    }
  }
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
