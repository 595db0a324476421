/** Which addresses a webhook may be sent to: https on the public internet, unless the operator allows more. */
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import type { Config } from '../shared/config.ts'
import { FewbitError } from '../shared/errors.ts'

type UrlConfig = Pick<Config, 'WEBHOOK_ALLOW_PRIVATE'>

const PORTS = new Set(['', '443', '8443'])

const RULES: [(url: URL) => boolean, string][] = [
  [({ protocol }) => protocol === 'https:', 'it must begin with https://'],
  [({ port }) => PORTS.has(port), 'its port must be 443 or 8443'],
  [({ hostname }) => !isAddress(hostname) || isPublic(hostname), 'it points to a private address'],
  [({ hostname }) => !/(^|\.)(localhost|local|internal)\.?$/.test(hostname), 'it points to a private name'],
]

/** Why a webhook may not be sent there, or null. Names are resolved, and checked again, only when a webhook is sent. */
export function refusalOfWebhookUrl(config: UrlConfig, text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null
  if (!url || !/^https?:$/.test(url.protocol)) return refusal('it is not an http URL')
  if (url.username || url.password) return refusal('it must not hold a user name or password')
  const broken = config.WEBHOOK_ALLOW_PRIVATE ? undefined : RULES.find(([holds]) => !holds(url))
  return broken ? refusal(broken[1]) : null
}

/** Throws invalid_request. */
export function checkWebhookUrl(config: UrlConfig, text: string): URL {
  const refused = refusalOfWebhookUrl(config, text)
  if (refused) throw new FewbitError('invalid_request', refused)
  return new URL(text)
}

/** Whether an IPv4 or IPv6 address belongs to the public internet. */
export function isPublic(address: string): boolean {
  return ipaddr.process(bare(address)).range() === 'unicast'
}

const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '')
const isAddress = (hostname: string): boolean => isIP(bare(hostname)) !== 0

const refusal = (why: string): string => `the webhook URL is not acceptable: ${why}`
