/** Looks at processes from outside, by their ids. */
import { childrenOf } from '../../workers/resident.ts'

/** All processes below one, the nearest first. */
export async function descendantsOf(pid: number): Promise<number[]> {
  const children = await childrenOf(pid)
  const below = await Promise.all(children.map(descendantsOf))
  return [...children, ...below.flat()]
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
