/** The directories of running jobs: `DATA_DIR/jobs/<host>.<pid>/<job>-<attempt>`, so that leftovers of dead workers can be told. */
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'

const FOREIGN_MAX_AGE_MS = 48 * 3_600_000

const ownName = (): string => `${hostname()}.${process.pid}`

/** A new empty directory that only this user may read. */
export async function makeJobDirectory(dataDir: string, name: string): Promise<string> {
  const path = join(dataDir, 'jobs', ownName(), name)
  await rm(path, { recursive: true, force: true })
  await mkdir(path, { recursive: true, mode: 0o700 })
  return path
}

export async function removeJobDirectory(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 })
}

/** Removes what workers left that are gone: of this host at once, of others when nobody touched it for two days. */
export async function removeLeftovers(dataDir: string): Promise<void> {
  const root = join(dataDir, 'jobs')
  for (const name of await readdir(root).catch(() => [])) {
    if (await isLeftover(root, name)) await rm(join(root, name), { recursive: true, force: true })
  }
}

async function isLeftover(root: string, name: string): Promise<boolean> {
  const dot = name.lastIndexOf('.')
  if (name.slice(0, dot) === hostname()) return name === ownName() || !isAlive(Number(name.slice(dot + 1)))
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
