/** Ends a job as a worker would, with one artifact. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import type { Deps } from '../../src/deps.ts'
import { REPORT } from '../../src/http/document/examples/report.ts'
import { claimJob } from '../../src/jobs/attempt/claim-job.ts'
import { finishJob } from '../../src/jobs/attempt/finish-job.ts'
import { newId } from '../../src/shared/ids.ts'
import { putAs } from '../../src/storage/refs.ts'

/** Returns the id of its artifact: a report, so that the job has one. */
export async function finishAsWorker(deps: Deps, jobId: string): Promise<string> {
  const claim = await claimJob(deps, jobId, 'rlimits')
  assert.ok(claim)
  const id = newId('art')
  const { sha256, size } = await putAs(
    deps,
    Readable.from([Buffer.from(JSON.stringify(REPORT))]),
    { maxBytes: 100_000 },
    `artifact:${id}`,
  )
  const artifact = {
    id,
    object: 'artifact' as const,
    job_id: jobId,
    name: 'report.json',
    content_type: 'application/json',
    size_bytes: size,
    sha256,
    created_at: new Date().toISOString(),
  }
  const { options } = claim.job
  const end = { status: 'succeeded' as const, artifacts: [artifact], metrics: null, options, warnings: [] }
  assert.ok(await finishJob(deps, claim, end))
  return id
}
