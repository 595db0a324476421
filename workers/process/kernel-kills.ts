/** How many processes the kernel has ended for want of memory: tells its kills from those of somebody. */
import { readFileSync } from 'node:fs'

/** longer than it takes to learn of an exit */
const LOOK_MS = 1000

export interface KernelKills {
  /** Whether there was one in the last second or two. */
  recent(): boolean
  close(): void
}

/** Looks each second, so that a kill long ago is not taken for the cause of an exit now. */
export function watchKernelKills(read = countKernelKills): KernelKills {
  let [older, newer] = [read(), read()]
  const timer = setInterval(() => {
    ;[older, newer] = [newer, read()]
  }, LOOK_MS)
  timer.unref()
  return { recent: () => read() > older, close: () => clearInterval(timer) }
}

/** Of this machine since its start, kills for the limit of a cgroup included; 0 where nobody counts them. */
function countKernelKills(): number {
  try {
    return Number(/^oom_kill (\d+)/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}
