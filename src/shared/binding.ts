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

type Access = Pick<
  Config,
  | 'HOST'
  | 'REQUIRE_KEYS'
  | 'ALLOW_UNAUTHENTICATED_NETWORK_ACCESS'
  | 'FEWBIT_BOOTSTRAP_KEY'
  | 'FEWBIT_BOOTSTRAP_KEY_FILE'
>

/** Whether every call needs an API key. Beyond loopback a bootstrap key says so too. */
export function requiresKeys(config: Access): boolean {
  const { HOST, REQUIRE_KEYS: said, ALLOW_UNAUTHENTICATED_NETWORK_ACCESS: isOpen } = config
  return said ?? (!isLoopback(HOST) && (hasBootstrapKey(config) || !isOpen))
}

const hasBootstrapKey = ({ FEWBIT_BOOTSTRAP_KEY: key, FEWBIT_BOOTSTRAP_KEY_FILE: file }: Access): boolean =>
  (key ?? file) !== undefined

/** Throws where everybody on a network could use the service and nobody said that they may, or nobody could. */
export function refuseOpenBinding(config: Access): void {
  const { HOST, REQUIRE_KEYS: said, ALLOW_UNAUTHENTICATED_NETWORK_ACCESS: isOpen } = config
  if (isLoopback(HOST) || isOpen || said || (said === undefined && hasBootstrapKey(config))) return
  throw new Error(
    `HOST=${HOST} would let everybody on the network use this service without a key: set FEWBIT_BOOTSTRAP_KEY, or bind 127.0.0.1, or set ALLOW_UNAUTHENTICATED_NETWORK_ACCESS=true`,
  )
}
