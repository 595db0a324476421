/** The store on a local directory: written beside, hashed on the way, synced, then renamed to the digest. */
import { constants, createWriteStream, type Stats } from 'node:fs'
import { copyFile, mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ulid } from 'ulid'
import { FewbitError } from '../shared/errors.ts'
import { meter } from './meter.ts'
import type { ByteRange, Store, StoredObject } from './store.ts'

interface FileStoreOptions {
  /** bytes of the disk that uploads may not take */
  reserveBytes?: number
  /** an unfinished upload that nobody wrote to for so long is a leftover of a dead process */
  leftoverMs?: number
}

const CHUNK = 1 << 20
const DIGEST = /^[0-9a-f]{64}$/
/** unfinished uploads */
const INCOMING = 'tmp'
const FULL = ['ENOSPC', 'EDQUOT']
const READ_ONLY = constants.O_RDONLY | constants.O_NOFOLLOW

/** Opens (and makes) the directory `root`; removes what dead processes left half written. */
export async function openFileStore(root: string, options: FileStoreOptions = {}): Promise<Store> {
  const { reserveBytes = 64 << 20, leftoverMs = 3_600_000 } = options
  const incoming = join(root, INCOMING)
  await mkdir(incoming, { recursive: true, mode: 0o700 })
  await removeLeftovers(incoming, leftoverMs)
  return {
    async put(source, limits, around = (_, publish) => publish()) {
      const path = join(incoming, ulid().toLowerCase())
      try {
        await requireSpace(root, reserveBytes)
        const object = await write(source, path, limits)
        await around(object, () => publish(path, pathOf(root, object.sha256)))
        return object
      } catch (error) {
        source.destroy()
        await rm(path, { force: true })
        throw written(await explain(root, error))
      }
    },
    get: async (sha256, range) => read(pathOf(root, sha256), range).catch((error) => fail(root, error)),
    async head(sha256) {
      const found = await look(root, sha256)
      return found && { size: found.size }
    },
    storedAt: async (sha256) => (await look(root, sha256))?.mtimeMs ?? null,
    delete: async (sha256) => rm(pathOf(root, sha256), { force: true }).catch((error) => fail(root, error)),
    list: (atATime) => inParts(objectsOf(root), atATime),
    removeUnfinished: (olderThanMs) => removeLeftovers(incoming, olderThanMs).catch((error) => fail(root, error)),
    async copyTo(sha256, path) {
      const from = pathOf(root, sha256)
      await stat(from).catch((error) => fail(root, error))
      const flags = constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE
      await copyFile(from, path, flags).catch((error) => {
        if (FULL.includes(codeOf(error)))
          throw new FewbitError('disk_full', 'there is no room for a copy of the object')
        return fail(root, error)
      })
    },
    async withFile(sha256, use) {
      const path = pathOf(root, sha256)
      await stat(path).catch((error) => fail(root, error))
      return use(path)
    },
  }
}

async function look(root: string, sha256: string): Promise<Stats | null> {
  return stat(pathOf(root, sha256)).catch(async (error) => {
    const reason = await explain(root, error)
    if (reason instanceof FewbitError && reason.code === 'not_found') return null
    throw reason
  })
}

function pathOf(root: string, sha256: string): string {
  if (!DIGEST.test(sha256)) throw new FewbitError('not_found', 'no such object')
  return join(root, 'sha256', sha256.slice(0, 2), sha256.slice(2, 4), sha256)
}

async function write(
  source: Readable,
  path: string,
  { maxBytes, signal }: { maxBytes: number; signal?: AbortSignal },
): Promise<StoredObject> {
  const gauge = meter(maxBytes)
  const file = createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true, highWaterMark: CHUNK })
  await pipeline(source, gauge.stream, file, { signal })
  return gauge.measured()
}

async function publish(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 })
  await rename(from, to)
  await syncDirectory(dirname(to))
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY)
  await directory.sync().finally(() => directory.close())
}

async function read(path: string, range: ByteRange | undefined): Promise<Readable> {
  const file = await open(path, READ_ONLY)
  return file.createReadStream({ ...range, highWaterMark: CHUNK })
}

async function requireSpace(root: string, reserveBytes: number): Promise<void> {
  const disk = await statfs(root)
  if (disk.bavail * disk.bsize < reserveBytes)
    throw new FewbitError('insufficient_storage', 'the disk of the store is full')
}

/** Directories that go or come meanwhile are no errors. */
async function* objectsOf(root: string): AsyncGenerator<string> {
  if (!(await isThere(root))) throw new FewbitError('store_unavailable', 'the directory of the store is not there')
  const top = join(root, 'sha256')
  for (const first of await readdir(top).catch(() => []))
    for (const second of await readdir(join(top, first)).catch(() => []))
      for (const name of await readdir(join(top, first, second)).catch(() => [])) if (DIGEST.test(name)) yield name
}

async function* inParts<T>(all: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let part: T[] = []
  for await (const one of all) {
    part.push(one)
    if (part.length < size) continue
    yield part
    part = []
  }
  if (part.length > 0) yield part
}

async function removeLeftovers(directory: string, olderThanMs: number): Promise<void> {
  const oldest = Date.now() - olderThanMs
  for (const name of await readdir(directory)) {
    const path = join(directory, name)
    const found = await stat(path).catch(() => null)
    if (found && found.mtimeMs <= oldest) await rm(path, { force: true })
  }
}

const REFUSALS: Record<string, () => FewbitError> = {
  ENOSPC: () => new FewbitError('insufficient_storage', 'the disk of the store is full'),
  EDQUOT: () => new FewbitError('insufficient_storage', 'the quota of the store is used up'),
  ECONNRESET: aborted,
  ABORT_ERR: aborted,
  ERR_STREAM_PREMATURE_CLOSE: aborted,
}

function aborted(): FewbitError {
  return new FewbitError('upload_aborted', 'the connection closed before the last byte')
}

/** What a refused call of the file system means. Errors that are none of it stay as they are. */
async function explain(root: string, error: unknown): Promise<unknown> {
  const code = codeOf(error)
  const row = REFUSALS[code]
  if (row) return row()
  if (!isSystemError(error)) return error
  if (code === 'ENOENT' && (await isThere(root))) return new FewbitError('not_found', 'no such object')
  return new FewbitError('store_unavailable', `the directory of the store cannot be used (${code})`, { cause: error })
}

/** Nobody asked for an object here: what is missing is our own file. */
function written(error: unknown): unknown {
  const isMissing = error instanceof FewbitError && error.code === 'not_found'
  return isMissing ? new FewbitError('store_unavailable', 'the upload was lost in the store', { cause: error }) : error
}

async function fail(root: string, error: unknown): Promise<never> {
  throw await explain(root, error)
}

/** Where a disk is not mounted there may be a directory, but not ours. */
const isThere = (root: string): Promise<boolean> =>
  stat(join(root, INCOMING)).then(
    () => true,
    () => false,
  )

const isSystemError = (error: unknown): boolean => error instanceof Error && 'syscall' in error

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
