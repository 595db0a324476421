/** What the method auto has reached so far, in the record of its job: rungs, and the best artifact, which can be downloaded at once. */
import type { Rung } from '../../contract/auto.ts'
import type { Deps } from '../../deps.ts'
import { bytesKey } from '../../owners/keys.ts'
import { release } from '../../storage/refs.ts'
import { changeJob } from '../record/change-job.ts'
import type { ArtifactSummary, JobRecord } from '../record/job.ts'
import { artifactKey } from '../record/keys.ts'
import { changeAttempt, holds } from './attempt.ts'
import type { Claim } from './claim-job.ts'

const MOST_RUNGS = 50

/** `best`: the stored files of the rung where it is the best so far, in place of those of the one before. False: the attempt has the job no more. */
export async function keepRung(deps: Deps, claim: Claim, rung: Rung, best: ArtifactSummary[] | null): Promise<boolean> {
  let before: readonly ArtifactSummary[] = []
  const job = await changeAttempt(deps, claim, ({ attempts_made, best_so_far }) => {
    before = best_so_far
    return {
      patch: {
        attempts_made: [...attempts_made.filter(({ name }) => name !== rung.name), rung].slice(-MOST_RUNGS),
        ...(best && { best_so_far: best }),
      },
      ...(best && { artifacts: best }),
      event: { type: 'job.rung', data: { rung, best_so_far: best?.map(({ id, name }) => ({ id, name })) ?? null } },
    }
  })
  const isKept = holds(claim, job)
  if (isKept && best) await forget(deps, job.owner, before)
  return isKept
}

/** Of a job that has artifacts of its own, or that is deleted. */
export async function dropBest(deps: Deps, { id, owner, best_so_far }: JobRecord): Promise<void> {
  if (best_so_far.length === 0) return
  await changeJob(deps, id, ({ record }) => (record.best_so_far.length > 0 ? { patch: { best_so_far: [] } } : null))
  await forget(deps, owner, best_so_far)
}

async function forget(deps: Deps, owner: string, artifacts: readonly ArtifactSummary[]): Promise<void> {
  for (const { id, sha256, size_bytes } of artifacts) {
    if ((await deps.redis.del(artifactKey(deps, id))) === 1) await deps.redis.decrby(bytesKey(deps, owner), size_bytes)
    await release(deps, sha256, `artifact:${id}`)
  }
}
