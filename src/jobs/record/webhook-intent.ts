/** That somebody shall be told of an event: written together with it, and sent by another process. */
import type { Deps } from '../../deps.ts'
import { isWebhookEvent, USUAL_EVENTS } from '../../webhooks/events.ts'
import { endpointsKey } from '../../webhooks/keys.ts'
import type { JobRecord } from './job.ts'
import { outboxKey } from './keys.ts'
import { viewJob } from './view-job.ts'

/** What lies in the outbox. */
export interface WebhookIntent {
  /** id of the job or comparison */
  subject: string
  owner: string
  type: string
  /** of its own webhook, when it wants this event */
  url?: string
  ownSecret?: boolean
  body: string
}

type Command = (string | number)[]

/** First word of a command that is run only if the key behind it exists. */
export const IF_EXISTS = '$if'

interface Happened {
  record: JobRecord
  type: string
  timestamp: string
}

/** For the job's own webhook, or else only where its owner has an endpoint. `field` stands for the id of the event. */
export function intentCommands(
  deps: Pick<Deps, 'config'>,
  { record, type, timestamp }: Happened,
  field: string,
): Command[] {
  if (!isWebhookEvent(type)) return []
  const { id, owner, request, webhook_secret } = record
  const { webhook } = request
  const told = { subject: id, owner, type, body: JSON.stringify({ type, timestamp, data: viewJob(record) }) }
  return intoOutbox(deps, told, { webhook, hasSecret: webhook_secret !== null }, field)
}

/** A webhook that a request names. */
interface Named {
  webhook?: { url: string; events?: readonly string[] | undefined } | undefined
  hasSecret: boolean
}

/** For the webhook that is named and wants this event, or else only where the owner has an endpoint. */
export function intoOutbox(
  deps: Pick<Deps, 'config'>,
  told: Pick<WebhookIntent, 'subject' | 'owner' | 'type' | 'body'>,
  { webhook, hasSecret }: Named,
  field: string,
): Command[] {
  const events: readonly string[] = webhook?.events ?? USUAL_EVENTS
  const isWanted = webhook && events.includes(told.type)
  const intent: WebhookIntent = { ...told, ...(isWanted && { url: webhook.url, ownSecret: hasSecret }) }
  const command = ['HSET', outboxKey(deps), field, JSON.stringify(intent)]
  return [isWanted ? command : [IF_EXISTS, endpointsKey(deps, told.owner), ...command]]
}
