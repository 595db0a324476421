/** Finds the bytes of an artifact. */
import type { Deps } from '../deps.ts'
import type { Content } from '../storage/content.ts'
import { getArtifact } from './get-artifact.ts'

/** Throws not_found. */
export async function openArtifactContent(deps: Deps, owner: string, id: string): Promise<Content> {
  const artifact = await getArtifact(deps, owner, id)
  return {
    sha256: artifact.sha256,
    size: artifact.size_bytes,
    filename: artifact.name,
    contentType: artifact.content_type,
    open: (range) => deps.store.get(artifact.sha256, range),
  }
}
