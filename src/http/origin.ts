/** Under which scheme, host and port a client reaches the API. */
import type { FastifyRequest } from 'fastify'

/** The operator's word, or what the client says in Host, or where its connection ended when it says nothing of the kind. */
export function originOf({ raw, server }: Pick<FastifyRequest, 'raw' | 'server'>): string {
  if (server.publicUrl) return server.publicUrl
  const { host } = raw.headers
  return host && HOST.test(host) ? `http://${host}` : originOfSocket(raw.socket)
}

/** Of a connection on which no request could be read. */
export function originOfSocket({ localAddress = '127.0.0.1', localPort = 80 }: Ends): string {
  return `http://${localAddress.includes(':') ? `[${localAddress}]` : localAddress}:${localPort}`
}

interface Ends {
  localAddress?: string
  localPort?: number
}

/** a name or an address, perhaps with a port (RFC 9110 §7.2) */
export const HOST = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/
