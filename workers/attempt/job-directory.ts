/** The directories of running jobs: `DATA_DIR/jobs/<host>.<pid>/<job>-<attempt>`, so that leftovers of dead workers can be told. */
import { execFile } from 'node:child_process'
import { chmod, mkdir, readdir, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const FOREIGN_MAX_AGE_MS = 48 * 3_600_000

const ownName = (): string => `${hostname()}.${process.pid}`

/** Where this worker's job directories are. The users of its jobs pass through the directories above, which only we can list. */
export async function openJobDirectories(dataDir: string): Promise<string> {
  const path = join(dataDir, 'jobs', ownName())
  await mkdir(path, { recursive: true, mode: 0o711 })
  if (process.getuid?.() === 0) for (const above of [dataDir, join(dataDir, 'jobs'), path]) await letThrough(above)
  return path
}

async function letThrough(directory: string): Promise<void> {
  const { mode } = await stat(directory)
  await chmod(directory, mode | 0o111)
}

/** A new empty directory that only its user may read. */
export async function makeJobDirectory(dataDir: string, name: string): Promise<string> {
  const path = join(await openJobDirectories(dataDir), name)
  await removeJobDirectory(path)
  await mkdir(path, { mode: 0o700 })
  return path
}

/** What a job made unreadable, or nested deeper than paths can be, too. Throws when something is left. */
export async function removeJobDirectory(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 }).catch(() =>
    promisify(execFile)('sh', ['-c', 'chmod -R u+rwX "$0"; rm -rf "$0"', path]),
  )
}

/** Removes what workers left that are gone: of this host at once, of others when nobody touched it for two days. At its start a worker may find its own name. */
export async function removeLeftovers(dataDir: string, isStart: boolean): Promise<void> {
  const root = join(dataDir, 'jobs')
  for (const name of await readdir(root).catch(() => [])) {
    if (name === ownName() ? isStart : await isLeftover(root, name)) await removeJobDirectory(join(root, name))
  }
}

async function isLeftover(root: string, name: string): Promise<boolean> {
  const dot = name.lastIndexOf('.')
  if (name.slice(0, dot) === hostname()) return !isAlive(Number(name.slice(dot + 1)))
  const found = await stat(join(root, name)).catch(() => null)
  return found !== null && Date.now() - found.mtimeMs > FOREIGN_MAX_AGE_MS
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
