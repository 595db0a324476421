/** Reads webhook endpoints. */
import type { Deps } from '../../deps.ts'
import { FewbitError } from '../../shared/errors.ts'
import { isId } from '../../shared/ids.ts'
import { endpointKey, endpointsKey } from '../keys.ts'
import type { WebhookEndpointRecord } from './endpoint.ts'

type ReadDeps = Pick<Deps, 'config' | 'redis'>

/** Throws not_found, for another owner's endpoint too. */
export async function getEndpoint(deps: ReadDeps, owner: string, id: string): Promise<WebhookEndpointRecord> {
  const endpoint = await findEndpoint(deps, id)
  if (endpoint?.owner !== owner) throw new FewbitError('not_found', `no webhook endpoint ${id}`)
  return endpoint
}

/** The endpoint or null, whoever owns it. */
export async function findEndpoint(deps: ReadDeps, id: string): Promise<WebhookEndpointRecord | null> {
  const text = isId('whe', id) ? await deps.redis.get(endpointKey(deps, id)) : null
  return text === null ? null : (JSON.parse(text) as WebhookEndpointRecord)
}

export interface EndpointPage {
  data: WebhookEndpointRecord[]
  has_more: boolean
  next_cursor: string | null
}

/** Newest first; `after` is the id of the last endpoint of the page before. */
export async function listEndpoints(
  deps: ReadDeps,
  owner: string,
  { limit, after }: { limit: number; after?: string | undefined },
): Promise<EndpointPage> {
  const below = after ? `(${after}` : '+'
  const ids = await deps.redis.zrange(endpointsKey(deps, owner), below, '-', 'BYLEX', 'REV', 'LIMIT', 0, limit + 1)
  const page = ids.slice(0, limit)
  const found = await Promise.all(page.map((id) => findEndpoint(deps, id)))
  const has_more = ids.length > limit
  return {
    data: found.flatMap((endpoint) => endpoint ?? []),
    has_more,
    next_cursor: has_more ? (page.at(-1) ?? null) : null,
  }
}
