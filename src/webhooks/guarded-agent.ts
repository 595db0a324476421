/** An HTTP client that connects to public addresses only: what a name resolves to is checked, then exactly that is dialled. */
import { lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { Agent } from 'undici'
import type { Config } from '../shared/config.ts'
import { isPublic } from './check-url.ts'

const CONNECT_TIMEOUT_MS = 5000

/** No connection is kept: receivers of different owners share none. */
export function openGuardedAgent({ WEBHOOK_ALLOW_PRIVATE }: Pick<Config, 'WEBHOOK_ALLOW_PRIVATE'>): Agent {
  const guard = WEBHOOK_ALLOW_PRIVATE ? {} : { lookup: lookupPublic }
  return new Agent({ pipelining: 0, connect: { timeout: CONNECT_TIMEOUT_MS, ...guard } })
}

const lookupPublic: LookupFunction = (hostname, options, done) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    const first = addresses?.[0]
    if (error || !first) return done(error ?? new Error(`${hostname} has no address`), '', 0)
    if (!addresses.every(({ address }) => isPublic(address)))
      return done(new Error(`${hostname} resolves to a private address`), '', 0)
    if (options.all) done(null, addresses)
    else done(null, first.address, first.family)
  })
}
