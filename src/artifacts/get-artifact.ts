/** Reads one artifact of an owner. */
import type { Deps } from '../deps.ts'
import type { ArtifactSummary } from '../jobs/record/job.ts'
import { artifactKey } from '../jobs/record/keys.ts'
import { FewbitError } from '../shared/errors.ts'
import { isId } from '../shared/ids.ts'

export interface ArtifactRecord extends ArtifactSummary {
  owner: string
}

/** Throws not_found, for another owner's artifact too. */
export async function getArtifact(deps: Deps, owner: string, id: string): Promise<ArtifactRecord> {
  const text = isId('art', id) ? await deps.redis.get(artifactKey(deps, id)) : null
  const artifact = text === null ? null : (JSON.parse(text) as ArtifactRecord)
  if (artifact?.owner !== owner) throw new FewbitError('not_found', `no artifact ${id}`)
  return artifact
}
