/** A thread that waits for the end of standard input, which means that the supervisor is gone, and then kills the process. */
import { readSync } from 'node:fs'

const RETRY_MS = 100

function isOpen(): boolean {
  try {
    return readSync(0, new Uint8Array(1)) > 0
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EAGAIN' && pause()
  }
}

function pause(): true {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS)
  return true
}

while (isOpen());
process.kill(process.pid, 'SIGKILL')
