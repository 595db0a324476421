/** Ctrl-C once asks to end with the best so far; twice, or any other signal that ends a process, ends at once. */
import { constants } from 'node:os'

export interface Interrupts {
  /** aborts with the exit code that the signal means */
  signal: AbortSignal
  close(): void
}

const AT_ONCE = ['SIGTERM', 'SIGHUP'] as const

export function watchInterrupts(onFirst: () => void): Interrupts {
  const controller = new AbortController()
  let isAsked = false
  const end = (name: NodeJS.Signals) => controller.abort(128 + constants.signals[name])
  const interrupt = (name: NodeJS.Signals) => {
    if (isAsked) return end(name)
    isAsked = true
    onFirst()
  }
  process.on('SIGINT', interrupt)
  for (const name of AT_ONCE) process.on(name, end)
  return {
    signal: controller.signal,
    close() {
      process.off('SIGINT', interrupt)
      for (const name of AT_ONCE) process.off(name, end)
    },
  }
}
