/** Changes a webhook endpoint: its address and filter, whether it is told anything, its secret. */
import type { Deps } from '../../deps.ts'
import { FewbitError } from '../../shared/errors.ts'
import { changeRecord, setCommand } from '../change-record.ts'
import type { WebhookEvent } from '../events.ts'
import { endpointKey } from '../keys.ts'
import { makeSecret } from '../webhook-secret.ts'
import { requireUrl, withSecret } from './create-endpoint.ts'
import type { NewWebhookEndpoint, WebhookEndpointRecord } from './endpoint.ts'
import { getEndpoint } from './get-endpoint.ts'

export interface EndpointPatch {
  url?: string | undefined
  events?: WebhookEvent[] | undefined
  description?: string | undefined
  status?: 'enabled' | 'disabled' | undefined
}

type Decide = (record: WebhookEndpointRecord) => Partial<WebhookEndpointRecord> | null
type ChangeDeps = Pick<Deps, 'config' | 'redis'>
type Check = (record: WebhookEndpointRecord) => void

/** Throws not_found, invalid_request, and what `check` throws of the endpoint as it is when it is changed. */
export async function patchEndpoint(
  deps: Deps,
  owner: string,
  id: string,
  patch: EndpointPatch,
  check: Check,
): Promise<WebhookEndpointRecord> {
  if (patch.url !== undefined) requireUrl(deps, patch.url)
  await getEndpoint(deps, owner, id)
  const { status, events } = patch
  const given = Object.entries(patch).filter(([, value]) => value !== undefined)
  return changeEndpoint(deps, id, (record) => {
    check(record)
    return {
      ...Object.fromEntries(given),
      ...(events && { events: [...new Set(events)] }),
      ...(status && { disabled_reason: null }),
    }
  })
}

/**
 * For `graceSeconds` webhooks are signed with both secrets. Only one besides the new one works: a second rotation ends the first one's
 * grace. Throws not_found.
 */
export async function rotateSecret(
  deps: Deps,
  owner: string,
  id: string,
  graceSeconds: number,
): Promise<NewWebhookEndpoint> {
  await getEndpoint(deps, owner, id)
  const secret = makeSecret()
  const rotated = await changeEndpoint(deps, id, (record) => {
    const now = Date.now()
    const until = graceSeconds > 0 ? new Date(now + graceSeconds * 1000).toISOString() : null
    return {
      secret,
      previous_secret: until && record.secret,
      rotated_at: new Date(now).toISOString(),
      previous_secret_expires_at: until,
    }
  })
  return withSecret(rotated)
}

/** Nothing more is sent to `url`; an endpoint that has another one by now is left alone. */
export async function disableEndpoint(deps: ChangeDeps, id: string, url: string, reason: string): Promise<void> {
  await changeEndpoint(deps, id, (record) =>
    record.url === url && record.status === 'enabled' ? { status: 'disabled', disabled_reason: reason } : null,
  ).catch((error: unknown) => {
    if (!(error instanceof FewbitError && error.code === 'not_found')) throw error
  })
}

async function changeEndpoint(deps: ChangeDeps, id: string, decide: Decide): Promise<WebhookEndpointRecord> {
  const key = endpointKey(deps, id)
  let latest: WebhookEndpointRecord | undefined
  await changeRecord<WebhookEndpointRecord>(deps, key, (record) => {
    const patch = decide(record)
    latest = patch ? { ...record, ...patch, version: record.version + 1, updated_at: new Date().toISOString() } : record
    return patch && [setCommand(key, latest)]
  })
  if (!latest) throw new FewbitError('not_found', `no webhook endpoint ${id}`)
  return latest
}
