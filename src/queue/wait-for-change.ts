/** Waits until something has another version. */
import type { Deps } from '../deps.ts'

const POLL_MS = 1000

interface Versioned {
  id: string
  version: number
}

interface Waiting {
  version: number
  signal?: AbortSignal | undefined
  timeoutMs: number
}

/** Resolves to what `load` gives at the change, after `timeoutMs`, or on abort. Throws what `load` throws. */
export async function waitForChange<T extends Versioned>(
  { queues }: Pick<Deps, 'queues'>,
  id: string,
  load: () => Promise<T>,
  { version, signal, timeoutMs }: Waiting,
): Promise<T> {
  const until = Date.now() + timeoutMs
  const watch = queues.changes.watch(id)
  try {
    for (;;) {
      const found = await load()
      const left = until - Date.now()
      if (found.version !== version || left <= 0 || signal?.aborted) return found
      await watch.next(Math.min(POLL_MS, left), signal)
    }
  } finally {
    watch.close()
  }
}
