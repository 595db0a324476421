/** Takes a finished runner's files into the store: only those it named, only regular files of its own, only so many bytes. */
import { constants } from 'node:fs'
import { lstat, open } from 'node:fs/promises'
import { join } from 'node:path'
import { Report } from '../../src/contract/report.ts'
import type { OutputFile } from '../../src/contract/runner-protocol.ts'
import type { Deps } from '../../src/deps.ts'
import type { ArtifactSummary } from '../../src/jobs/record/job.ts'
import { FewbitError, messageOf } from '../../src/shared/errors.ts'
import { newId } from '../../src/shared/ids.ts'
import { putAs, release } from '../../src/storage/refs.ts'
import { type Limits, tooMuchOutput } from '../process/limits.ts'

/** a file of the runner's, and the id that it has as an artifact */
export interface ArtifactFile extends OutputFile {
  id: string
}

interface Output {
  jobId: string
  /** the directory that the runner wrote to */
  directory: string
  files: readonly ArtifactFile[]
  limits: Limits
}

const REPORT = 'report.json'
const MAX_REPORT_BYTES = 32 << 20
const OWN_FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

export const nameArtifact = (file: OutputFile): ArtifactFile => ({ ...file, id: newId('art') })

/** Throws quantization_failed when the report is missing or is none. */
export async function readReport(directory: string): Promise<Report> {
  await requireDirectory(directory)
  const file = await openOwn(directory, REPORT)
  try {
    const { size } = await file.stat()
    if (size > MAX_REPORT_BYTES) throw new FewbitError('quantization_failed', 'the report is too large')
    return Report.parse(JSON.parse(await file.readFile('utf8')))
  } catch (error) {
    if (error instanceof FewbitError) throw error
    throw new FewbitError('quantization_failed', 'the engine wrote a report that cannot be read', {
      cause: messageOf(error),
    })
  } finally {
    await file.close()
  }
}

/** Throws output_limit, and keeps nothing then. The runner must be dead: nothing may change under our hands. */
export async function storeOutput(deps: Deps, output: Output): Promise<ArtifactSummary[]> {
  await requireDirectory(output.directory)
  const artifacts: ArtifactSummary[] = []
  try {
    for (const file of output.files) {
      const used = artifacts.reduce((sum, { size_bytes }) => sum + size_bytes, 0)
      artifacts.push(await storeFile(deps, output, file, output.limits.outputBytes - used))
    }
    return artifacts
  } catch (error) {
    await letGo(deps, artifacts).catch((reason) => deps.log.warn({ reason: messageOf(reason) }, 'artifacts are left'))
    throw error
  }
}

/** One more file of the runner's as an artifact; null when it did not write it. */
export async function storeExtra(
  deps: Deps,
  output: Output,
  file: ArtifactFile,
  path: string,
): Promise<ArtifactSummary | null> {
  const found = await lstat(join(output.directory, path)).catch(() => null)
  if (!found?.isFile()) return null
  return storeFile(deps, output, file, output.limits.outputBytes, path)
}

/** Takes back what an attempt stored that may not publish. */
export async function letGo(deps: Deps, artifacts: readonly ArtifactSummary[]): Promise<void> {
  for (const { id, sha256 } of artifacts) await release(deps, sha256, `artifact:${id}`)
}

async function storeFile(
  deps: Deps,
  { jobId, directory, limits }: Output,
  { id, name, content_type }: ArtifactFile,
  room: number,
  path: string = name,
) {
  const file = await openOwn(directory, path)
  const { size: size_bytes } = await file.stat()
  if (size_bytes > room) {
    await file.close()
    throw tooMuchOutput(limits)
  }
  const { sha256 } = await putAs(deps, file.createReadStream(), { maxBytes: Math.max(room, 1) }, `artifact:${id}`)
  const created_at = new Date().toISOString()
  return { id, object: 'artifact' as const, job_id: jobId, name, content_type, size_bytes, sha256, created_at }
}

async function openOwn(directory: string, name: string) {
  const file = await open(join(directory, name), OWN_FILE).catch(() => null)
  const found = await file?.stat()
  if (file && found?.isFile() && found.nlink === 1) return file
  await file?.close()
  throw new FewbitError('quantization_failed', `the engine did not write ${name}`)
}

async function requireDirectory(path: string): Promise<void> {
  const found = await lstat(path).catch(() => null)
  if (!found?.isDirectory()) throw new FewbitError('quantization_failed', 'the engine left no output')
}
