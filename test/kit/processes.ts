/** Starts processes that do not outlive their test, and looks at processes from outside, by their ids. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { childrenOf } from '../../workers/process/resident.ts'

const LEASH = ['setpriv', '--pdeathsig', 'KILL', '--']
const hasLeash = spawnSync(LEASH[0]!, [...LEASH.slice(1), 'true']).status === 0

/** The command line that ends with this process, even when the test runner kills it. */
export function leashed(command: readonly string[]): [string, ...string[]] {
  return (hasLeash ? [...LEASH, ...command] : [...command]) as [string, ...string[]]
}

/** All processes below one, the nearest first. */
export async function descendantsOf(pid: number): Promise<number[]> {
  const children = await childrenOf(pid)
  const below = await Promise.all(children.map(descendantsOf))
  return [...children, ...below.flat()]
}

/** Ids of the running processes whose command lines hold these words. */
export async function processesCalled(words: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return pids.filter((pid, i) => lines[i]!.replaceAll('\0', ' ').includes(words) && isAlive(pid))
}

/** Whether it still runs; one that has ended and waits for its parent to notice does not. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
