/** Registers a webhook endpoint. Its secret is shown in this answer and never again. */
import type { Deps } from '../../deps.ts'
import { FewbitError } from '../../shared/errors.ts'
import { refusalOfWebhookUrl } from '../check-url.ts'
import { USUAL_EVENTS, type WebhookEvent } from '../events.ts'
import { endpointKey, endpointsKey } from '../keys.ts'
import { makeSecret } from '../webhook-secret.ts'
import { type NewWebhookEndpoint, viewEndpoint, type WebhookEndpointRecord } from './endpoint.ts'

export interface EndpointRequest {
  url: string
  events?: WebhookEvent[] | undefined
  description?: string | undefined
}

export const MOST_ENDPOINTS = 20

const INSERT = `
local made = redis.call('GET', KEYS[1])
if made then return made end
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[3]) then return '' end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
return ARGV[2]`

/** An endpoint that has this id already is that of a request whose answer was lost. Throws invalid_request and too_many_webhook_endpoints. */
export async function createEndpoint(
  deps: Deps,
  owner: string,
  id: string,
  request: EndpointRequest,
): Promise<NewWebhookEndpoint> {
  requireUrl(deps, request.url)
  const record = recordOf(owner, id, request)
  const keys = [endpointKey(deps, id), endpointsKey(deps, owner)]
  const made = String(await deps.redis.eval(INSERT, keys.length, ...keys, id, JSON.stringify(record), MOST_ENDPOINTS))
  if (made === '')
    throw new FewbitError('too_many_webhook_endpoints', `at most ${MOST_ENDPOINTS} endpoints are kept; delete one`)
  return withSecret(JSON.parse(made) as WebhookEndpointRecord)
}

export const withSecret = (record: WebhookEndpointRecord): NewWebhookEndpoint => ({
  ...viewEndpoint(record),
  secret: record.secret,
})

/** Throws invalid_request. */
export function requireUrl({ config }: Pick<Deps, 'config'>, url: string): void {
  const refused = refusalOfWebhookUrl(config, url)
  if (refused) throw new FewbitError('invalid_request', refused, { param: '/url' })
}

function recordOf(owner: string, id: string, { url, events, description }: EndpointRequest): WebhookEndpointRecord {
  const now = new Date().toISOString()
  return {
    id,
    object: 'webhook_endpoint',
    url,
    description: description ?? '',
    events: [...new Set(events ?? USUAL_EVENTS)],
    status: 'enabled',
    disabled_reason: null,
    created_at: now,
    updated_at: now,
    rotated_at: null,
    previous_secret_expires_at: null,
    owner,
    version: 1,
    secret: makeSecret(),
    previous_secret: null,
  }
}
