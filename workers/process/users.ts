/** Users for running jobs where the worker is root: ids that own nothing and run nothing else, one for each job. */
import { lchown, lstat, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** systemd keeps these ids for users that exist for a while only, so that no passwd has them */
const FIRST = 61_184
const COUNT = 4_336

const SHARED = ['/tmp', '/var/tmp', '/dev/shm']

const taken = new Set<number>()

/** An id that no process of this machine has. Give it back with `returnUser`. Throws when all are taken. */
export async function takeUser(): Promise<number> {
  const running = await runningUsers()
  const start = Math.floor(Math.random() * COUNT)
  for (let i = 0; i < COUNT; i++) {
    const user = FIRST + ((start + i) % COUNT)
    if (running.has(user) || taken.has(user)) continue
    taken.add(user)
    return user
  }
  throw new Error(`each of the users ${FIRST} to ${FIRST + COUNT - 1} runs something already`)
}

export function returnUser(user: number): void {
  taken.delete(user)
}

/** Gives a directory and all in it to a user and the group of the same number. Links themselves change, not what they point to. */
export async function giveTo(user: number, directory: string): Promise<void> {
  const names = await readdir(directory, { recursive: true })
  for (const path of [directory, ...names.map((name) => join(directory, name))]) await lchown(path, user, user)
}

/** Paths in the directories that everybody may write to. */
export async function filesOf(user: number): Promise<string[]> {
  const names = await Promise.all(
    SHARED.map((directory) => readdir(directory).then((found) => found.map((name) => join(directory, name)), none)),
  )
  const owners = await Promise.all(names.flat().map((path) => lstat(path).then(({ uid }) => uid, none)))
  return names.flat().filter((_, i) => owners[i] === user)
}

export async function removeFilesOf(user: number): Promise<void> {
  for (const path of await filesOf(user)) await rm(path, { recursive: true, force: true })
}

const none = (): never[] => []

async function runningUsers(): Promise<Set<number>> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))
  const users = await Promise.all(
    pids.map((pid) =>
      stat(`/proc/${pid}`).then(
        ({ uid }) => uid,
        () => -1,
      ),
    ),
  )
  return new Set(users)
}
