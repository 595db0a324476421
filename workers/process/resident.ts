/** Resident memory of a process and all its descendants, read from /proc. */
import { readdir, readFile } from 'node:fs/promises'

/** Bytes; 0 where there is no /proc or the process is gone. */
export async function residentBytes(pid: number): Promise<number> {
  const [own, children] = await Promise.all([residentOf(pid), childrenOf(pid)])
  const below = await Promise.all(children.map(residentBytes))
  return below.reduce((sum, bytes) => sum + bytes, own)
}

async function residentOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024
}

/** A child is listed under the thread that started it. */
export async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => [])
  const lists = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')),
  )
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number))
}
