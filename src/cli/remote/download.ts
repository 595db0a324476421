/** Artifacts of a job into a directory: each checked by its digest, broken transfers continued, nothing half-written left. */
import { createHash, type Hash } from 'node:crypto'
import { createWriteStream, type WriteStream } from 'node:fs'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { intoDirectory } from '../../engine/files.ts'
import { FewbitError } from '../../shared/errors.ts'
import type { ProgressView } from '../progress.ts'
import { bytes } from '../table.ts'
import type { Artifact, RemoteJob } from './job.ts'
import { ask, isAway } from './request.ts'
import type { Access } from './settings.ts'

interface Into {
  output: string
  overwrite: boolean
}

const MOST_FAILURES = 5
const DELAY_MS = 1_000

/** Returns the paths. Throws output_exists, digest_mismatch. */
export async function download(
  access: Access,
  { artifacts }: RemoteJob,
  { output, overwrite }: Into,
  view: ProgressView,
): Promise<string[]> {
  const { files } = await intoDirectory(output, overwrite, async (staging) => {
    for (const artifact of artifacts) await fetchInto(access, artifact, join(staging, artifact.name), view)
    return {}
  })
  return files
}

interface Transfer {
  file: WriteStream
  hash: Hash
  received: number
}

async function fetchInto(access: Access, artifact: Artifact, path: string, view: ProgressView): Promise<void> {
  const transfer: Transfer = { file: createWriteStream(path, { flags: 'wx' }), hash: createHash('sha256'), received: 0 }
  const written = finished(transfer.file)
  await receiveAll(access, artifact, transfer, view).finally(() => transfer.file.end())
  await written
  if (transfer.hash.digest('hex') === artifact.sha256) return
  throw new FewbitError('digest_mismatch', `${artifact.name} arrived with other bytes than the service announced`, {
    hint: 'something between here and the service changes what it carries; try again',
  })
}

async function receiveAll(access: Access, artifact: Artifact, transfer: Transfer, view: ProgressView): Promise<void> {
  for (let failures = 0; transfer.received < artifact.size_bytes; )
    try {
      await receive(access, artifact, transfer, view)
    } catch (error) {
      const isLost = isAway(error) || error instanceof TypeError
      if (!isLost || ++failures > MOST_FAILURES) throw error
      await delay(DELAY_MS * failures)
    }
}

async function receive(
  access: Access,
  { id, name, size_bytes }: Artifact,
  transfer: Transfer,
  view: ProgressView,
): Promise<void> {
  const { received } = transfer
  const headers: Record<string, string> = received > 0 ? { range: `bytes=${received}-` } : {}
  const { body, status } = await ask(access, `/v1/artifacts/${encodeURIComponent(id)}/content`, { headers })
  if (received > 0 && status !== 206) throw new FewbitError('internal', `${name} cannot be continued after a break`)
  for await (const chunk of body ?? []) {
    transfer.received += chunk.length
    if (transfer.received > size_bytes) throw new FewbitError('digest_mismatch', `${name} is longer than announced`)
    transfer.hash.update(chunk)
    await write(transfer.file, chunk)
    const message = `downloading ${name} (${bytes(size_bytes)})`
    view.take({ type: 'progress', phase: 'downloading', fraction: transfer.received / size_bytes, message })
  }
}

const write = (file: Writable, chunk: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => file.write(chunk, (error) => (error ? reject(error) : resolve())))
