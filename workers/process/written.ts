/** What a job has written: everything in its directory that was not there before, and files that it deleted and still holds open. */
import type { Stats } from 'node:fs'
import { lstat, opendir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Sizes of files by their numbers on the disk. */
export type Inputs = ReadonlyMap<number, number>

/** `hidden`: something is where it cannot be counted. */
export type Written = { kind: 'counted'; bytes: number; files: number } | { kind: 'hidden' }

/** The least that a file, a link or a directory takes on a disk. */
const ENTRY_BYTES = 4096
/** of what is deleted while we look */
const GONE = /ENOENT|ENOTDIR|ESRCH/

/** A directory's own files, before a job gets it. */
export async function inputsIn(directory: string): Promise<Inputs> {
  const names = await readdir(directory, { recursive: true })
  const found = await Promise.all(['', ...names].map((name) => lstat(join(directory, name))))
  return new Map(found.map((entry) => [entry.ino, bytesOf(entry)]))
}

/** At these paths and below them. Stops counting beyond `most` files or bytes. Links are not followed. */
export async function writtenAt(
  paths: readonly string[],
  inputs: Inputs,
  most: { bytes: number; files: number },
): Promise<Written> {
  const sum = { bytes: 0, files: 0 }
  try {
    for await (const entry of entriesAt(paths, most.files)) {
      sum.bytes += Math.max(0, bytesOf(entry) - (inputs.get(entry.ino) ?? 0))
      sum.files += inputs.has(entry.ino) ? 0 : 1
      if (sum.bytes > most.bytes || sum.files > most.files) break
    }
  } catch {
    return { kind: 'hidden' }
  }
  return { kind: 'counted', ...sum }
}

const bytesOf = ({ size }: Stats): number => Math.max(size, ENTRY_BYTES)

/** Throws where something is and cannot be looked at: a mode forbids it, or a path is longer than paths can be. */
async function* entriesAt(paths: readonly string[], most: number): AsyncGenerator<Stats> {
  const ahead = [...paths]
  for (let path = ahead.pop(); path !== undefined; path = ahead.pop()) {
    const entry = await lstat(path).catch(gone)
    if (entry) yield entry
    if (entry?.isDirectory()) for (const name of await someNamesIn(path, most)) ahead.push(join(path, name))
  }
}

/** A few more than `most` of them, where there are more. */
async function someNamesIn(directory: string, most: number): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of (await opendir(directory).catch(gone)) ?? []) {
    if (names.push(name) > most) break
  }
  return names
}

function gone(error: unknown): null {
  if (error instanceof Error && GONE.test(error.message)) return null
  throw error
}

/** Bytes of the files that these processes hold open and that have no name any more. */
export async function deletedBytes(pids: readonly number[]): Promise<number> {
  const found = await Promise.all(pids.map(deletedFilesOf))
  return [...new Map(found.flat()).values()].reduce((sum, size) => sum + size, 0)
}

async function deletedFilesOf(pid: number): Promise<[string, number][]> {
  const names = await readdir(`/proc/${pid}/fd`).catch(() => [])
  const files = await Promise.all(names.map((name) => stat(`/proc/${pid}/fd/${name}`).catch(() => null)))
  return files.flatMap((file) =>
    file?.isFile() && file.nlink === 0 ? [[`${file.dev}:${file.ino}`, file.size] as [string, number]] : [],
  )
}
