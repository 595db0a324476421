/** Long polling: `Prefer: wait=n` (RFC 7240). */
import type { Deps } from '../deps.ts'
import { waitForChange } from '../queue/wait-for-change.ts'

const MAX_WAIT_SECONDS = 50

/** Seconds to wait, capped; undefined when the client did not ask. */
export function parseWait(prefer: string | undefined): number | undefined {
  const wait = /(?:^|[,;\s])wait=(\d{1,6})/.exec(prefer ?? '')?.[1]
  return wait === undefined ? undefined : Math.min(Number(wait), MAX_WAIT_SECONDS)
}

interface Waiting<T> {
  wait: number | undefined
  signal: AbortSignal
  load: () => Promise<T>
  /** whether this state is what the client waits for */
  isNews: (state: T) => boolean
}

/** The resource as it is when the wait is over. */
export async function followPreference<T extends { id: string; version: number }>(
  deps: Pick<Deps, 'queues'>,
  first: T,
  { wait = 0, signal, load, isNews }: Waiting<T>,
): Promise<T> {
  const until = Date.now() + wait * 1000
  let state = first
  while (!isNews(state) && Date.now() < until && !signal.aborted) {
    const timeoutMs = until - Date.now()
    state = await waitForChange(deps, state.id, load, { version: state.version, signal, timeoutMs })
  }
  return state
}
