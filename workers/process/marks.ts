/**
 * Finds the processes of a job that no process namespace holds together: by a resource limit that means nothing to Linux (file locks),
 * which every child inherits and nobody without privileges can raise. Sessions, groups, parents and environments can all be left.
 */
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

/** What finds a job's processes and files where they are in no namespace of their own; null: nothing does. */
export interface Marks {
  limit: number | null
  user: number | null
}

/** far above what anybody limits; each worker has a range of its own, in which it tells a mark that was lowered */
const FIRST = 2 ** 40
const PER_WORKER = 2 ** 20
const PAUSE_MS = 10
const PATIENCE_MS = 60_000

const running = new Set<number>()
let count = 0

/** A number for `prlimit --locks`, of no other job that runs. */
export function newMark(): number {
  const mark = FIRST + process.pid * PER_WORKER + (count++ % PER_WORKER)
  running.add(mark)
  return mark
}

/** Ids of the processes that carry it. */
export async function markedBy(mark: number): Promise<number[]> {
  return processesWhere((own) => own === mark)
}

/** Kills all that carry it, or made it another, until there are none. Throws when some do not die. */
export async function endMarked(mark: number): Promise<void> {
  running.delete(mark)
  for (const until = Date.now() + PATIENCE_MS; ; await delay(PAUSE_MS)) {
    const left = await processesWhere((own) => own === mark || isForged(own))
    if (left.length === 0) return
    if (Date.now() > until) throw new Error(`processes of a job do not die: ${left.slice(0, 10).join(', ')}`)
    for (const pid of left) kill(pid)
  }
}

/** Another worker's marks are its business. */
function isForged(mark: number): boolean {
  const worker = Math.floor((mark - FIRST) / PER_WORKER)
  return worker === process.pid && !running.has(mark)
}

async function processesWhere(holds: (mark: number) => boolean): Promise<number[]> {
  const names = await readdir('/proc').catch(() => [])
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number)
  const found = await Promise.all(pids.map(async (pid) => holds(await markOf(pid)) && isRunning(pid)))
  return pids.filter((_, i) => found[i])
}

/** One that has ended and waits for its parent to notice is not. */
async function isRunning(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return /^State:\s+[^ZX\s]/m.test(status)
}

/** NaN where there is none, or nothing runs any more. */
async function markOf(pid: number): Promise<number> {
  const limits = await readFile(`/proc/${pid}/limits`, 'utf8').catch(() => '')
  return Number(/^Max file locks +\S+ +(\d+)/m.exec(limits)?.[1] ?? Number.NaN)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it is gone
  }
}
