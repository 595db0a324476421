/** Starts processes that do not outlive their test, and looks at processes from outside, by their ids. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
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

/** Whether it still runs; one that has ended and waits for its parent to notice does not. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
