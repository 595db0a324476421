/** Reads one artifact of an owner. */
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { ArtifactSummary } from '../jobs/record/job.ts'
import { artifactKey } from '../jobs/record/keys.ts'
import { FewbitError } from '../shared/errors.ts'
import { isId } from '../shared/ids.ts'

const ArtifactRecord = ArtifactSummary.extend({ owner: z.string() })
export type ArtifactRecord = z.infer<typeof ArtifactRecord>

/** Throws not_found, for another owner's artifact too. */
export async function getArtifact(deps: Deps, owner: string, id: string): Promise<ArtifactRecord> {
  const text = isId('art', id) ? await deps.redis.get(artifactKey(deps, id)) : null
  const artifact = text === null ? null : ArtifactRecord.parse(JSON.parse(text))
  if (artifact?.owner !== owner) throw new FewbitError('not_found', `no artifact ${id}`)
  return artifact
}
