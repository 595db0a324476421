/** /v1/artifacts: what jobs made. */
import { getArtifact } from '../../artifacts/get-artifact.ts'
import { openArtifactContent } from '../../artifacts/open-artifact-content.ts'
import { ArtifactSummary } from '../../jobs/record/job.ts'
import { ARTIFACT } from '../document/bodies.ts'
import { endpoint } from '../endpoint.ts'
import { sendContent } from '../send-content.ts'
import { answer, idOf } from '../shapes.ts'

const Id = idOf('art', 'artifact')

export const get = endpoint(
  {
    operationId: 'getArtifact',
    tags: ['artifacts'],
    summary: 'Get an artifact',
    description: 'Name, type, size and digest.',
    params: Id,
    response: { 200: answer('The artifact', ArtifactSummary) },
    'x-errors': ['not_found'],
  },
  async ({ deps, owner, params }) => {
    const { owner: _, ...artifact } = await getArtifact(deps, owner, params.id)
    return artifact
  },
)

export const content = endpoint(
  {
    operationId: 'getArtifactContent',
    tags: ['artifacts'],
    summary: 'Download an artifact',
    description: 'Its bytes, which never change; strong ETag, ranges, digest.',
    params: Id,
    'x-errors': ['not_found', 'precondition_failed', 'range_not_satisfiable'],
    'x-document': ARTIFACT,
  },
  async ({ deps, owner, params, request, reply }) =>
    sendContent({ request, reply }, await openArtifactContent(deps, owner, params.id)),
)
