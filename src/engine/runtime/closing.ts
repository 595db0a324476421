/** A runtime whose sessions end with the run that opened them, and which stops at a signal. */
import type { Runtime, Session } from './runtime.ts'

export interface ClosingRuntime extends Runtime {
  /** Releases every session that is still open. */
  close(): Promise<void>
}

/** The same runtime. Loading and running throw the reason of `signal` once it has aborted. */
export function closing(runtime: Runtime, signal?: AbortSignal): ClosingRuntime {
  const open = new Set<Session>()
  return {
    ...runtime,
    load: async (path, options) => {
      signal?.throwIfAborted()
      const session = await runtime.load(path, options)
      open.add(session)
      return guarded(session, open, signal)
    },
    close: async () => {
      for (const session of open) await session.release()
      open.clear()
    },
  }
}

const guarded = (session: Session, open: Set<Session>, signal?: AbortSignal): Session => ({
  ...session,
  run: (feeds, fetch) => {
    signal?.throwIfAborted()
    return session.run(feeds, fetch)
  },
  runInto: (feeds, results) => {
    signal?.throwIfAborted()
    return session.runInto(feeds, results)
  },
  release: async () => {
    if (open.delete(session)) await session.release()
  },
})
