/** Takes the state of a training, whenever the runner has written it, into the store. */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Deps } from '../../src/deps.ts'
import type { Claim } from '../../src/jobs/attempt/claim-job.ts'
import { checkpointRef, keepCheckpoint } from '../../src/jobs/attempt/keep-checkpoint.ts'
import { putAs } from '../../src/storage/refs.ts'
import { CHECKPOINT } from './inputs.ts'

const OWN_FILE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** The runner replaces the file, so that an open one never changes. Nothing happens when it is no regular file, or too large. */
export async function storeCheckpoint(deps: Deps, claim: Claim, directory: string, step: number): Promise<void> {
  const file = await open(join(directory, CHECKPOINT), OWN_FILE).catch(() => null)
  const found = await file?.stat()
  const maxBytes = deps.config.RUNNER_OUTPUT_BYTES
  if (!file || !found?.isFile() || found.nlink !== 1 || found.size > maxBytes) {
    await file?.close()
    return
  }
  const { sha256, size } = await putAs(deps, file.createReadStream(), { maxBytes }, checkpointRef(claim.jobId))
  await keepCheckpoint(deps, claim, {
    object: 'checkpoint',
    job_id: claim.jobId,
    attempt: claim.attempt,
    step,
    size_bytes: size,
    sha256,
    created_at: new Date().toISOString(),
  })
}
