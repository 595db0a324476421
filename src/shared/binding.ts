/** Which addresses only this machine can reach, and what may be bound beyond them. */
import { BlockList, isIP } from 'node:net'
import type { Config } from './config.ts'

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8)
LOOPBACK.addAddress('::1', 'ipv6')
LOOPBACK.addSubnet('::ffff:127.0.0.0', 104, 'ipv6')

/** A name or an address. */
export function isLoopback(host: string): boolean {
  const kind = isIP(host)
  if (kind !== 0) return LOOPBACK.check(host, kind === 6 ? 'ipv6' : 'ipv4')
  return /^(.+\.)?localhost\.?$/i.test(host)
}

/** Throws where everybody on a network could use the service and nobody said that they may. */
export function refuseOpenBinding({
  HOST,
  ALLOW_UNAUTHENTICATED_NETWORK_ACCESS: said,
}: Pick<Config, 'HOST' | 'ALLOW_UNAUTHENTICATED_NETWORK_ACCESS'>): void {
  if (isLoopback(HOST) || said) return
  throw new Error(
    `HOST=${HOST} would let everybody on the network use this service without a key: bind 127.0.0.1, or set ALLOW_UNAUTHENTICATED_NETWORK_ACCESS=true`,
  )
}
