/** What running processes use, read from /proc. Everything is 0 or empty where there is no /proc or the process is gone. */
import { readdir, readFile } from 'node:fs/promises'

export async function residentBytes(pids: readonly number[]): Promise<number> {
  return sumOf(await Promise.all(pids.map((pid) => fieldOf(pid, 'VmRSS').then((kilobytes) => kilobytes * 1024))))
}

export async function threadsOf(pids: readonly number[]): Promise<number> {
  return sumOf(await Promise.all(pids.map((pid) => fieldOf(pid, 'Threads'))))
}

/** A process and all that descend from it. */
export async function treeOf(pid: number): Promise<number[]> {
  const below = await Promise.all((await childrenOf(pid)).map(treeOf))
  return [pid, ...below.flat()]
}

/** A child is listed under the thread that started it. */
export async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => [])
  const lists = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')),
  )
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number))
}

async function fieldOf(pid: number, field: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0)
}

const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0)
