/**
 * Keeps web pages out: a page of a foreign site can reach a service on this machine through its visitor's browser, by a name that points
 * here (DNS rebinding) or by a form. Host says what the page believes to talk to, Origin and Sec-Fetch-Site say whose page it is.
 */
import { isIP } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isLoopback } from '../../shared/binding.ts'
import type { Config } from '../../shared/config.ts'
import { FewbitError } from '../../shared/errors.ts'
import { cut } from '../../shared/some.ts'
import { HOST } from '../origin.ts'

type GuardConfig = Pick<Config, 'HOST' | 'ALLOWED_HOSTS' | 'CORS_ORIGINS' | 'PUBLIC_URL'>

interface Hosts {
  names: ReadonlySet<string>
  /** bound to this machine only */
  isLocal: boolean
}

const EXPOSED =
  'Location, Retry-After, ETag, RateLimit, RateLimit-Policy, Repr-Digest, Content-Range, Idempotent-Replayed, Preference-Applied, X-Request-Id'
const ASKED =
  'Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Prefer, Range, Content-Digest, Repr-Digest'
const PREFLIGHT_SECONDS = 600

export function guard(app: FastifyInstance, config: GuardConfig): void {
  const hosts = hostsOf(config)
  const origins = new Set([...config.CORS_ORIGINS, ...(config.PUBLIC_URL ? [new URL(config.PUBLIC_URL).origin] : [])])
  app.addHook('onRequest', async (request, reply) => {
    refuseForeignHost(request, hosts)
    const { origin } = request.headers
    if (origin !== undefined && origins.has(origin)) return admit(request, reply, origin)
    if (origins.size > 0) reply.header('vary', 'Origin')
    refuseForeignPage(request)
  })
}

/** Beside those of this machine. */
function hostsOf({ HOST: bound, ALLOWED_HOSTS, PUBLIC_URL }: GuardConfig): Hosts {
  const own = PUBLIC_URL ? [new URL(PUBLIC_URL).hostname] : []
  const names = new Set([...ALLOWED_HOSTS, ...own, bound].map((name) => name.toLowerCase()))
  return { names, isLocal: isLoopback(bound) }
}

/** An address is what it says; only a name can be made to point here. */
function refuseForeignHost({ headers: { host = '' } }: FastifyRequest, { names, isLocal }: Hosts): void {
  const name = nameOf(host)
  if (name === '' || isLoopback(name) || names.has(name) || (!isLocal && isIP(name))) return
  const hint = 'An operator names the hosts under which the API may be reached in ALLOWED_HOSTS.'
  throw new FewbitError('misdirected_request', `this service is not ${cut(host, 100)}`, { hint })
}

/** Without port and brackets, in lower case; a Host that is none has no name that could be allowed. */
function nameOf(host: string): string {
  if (host === '') return ''
  return HOST.test(host)
    ? host
        .replace(/:\d+$/, '')
        .replace(/^\[|\]$/g, '')
        .toLowerCase()
    : '?'
}

function refuseForeignPage(request: FastifyRequest): void {
  const { origin, host = '', 'sec-fetch-site': site } = request.headers
  const isForeign = origin !== undefined && hostOfOrigin(origin) !== host.toLowerCase()
  const isCrossSite = (site === 'cross-site' || site === 'same-site') && !isVisit(request)
  if (!isForeign && !isCrossSite) return
  const hint = 'An operator names the origins of pages that may call the API in CORS_ORIGINS.'
  throw new FewbitError('cross_site_request', `pages of ${cut(origin ?? 'another site', 100)} may not call this`, {
    hint,
  })
}

/** Somebody follows a link to here, which lets the page with the link read nothing. */
function isVisit({ method, headers }: FastifyRequest): boolean {
  return method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
}

const hostOfOrigin = (origin: string): string | null => (URL.canParse(origin) ? new URL(origin).host : null)

/** CORS, for the pages that the operator named. */
function admit(request: FastifyRequest, reply: FastifyReply, origin: string): FastifyReply | undefined {
  reply.headers({
    'access-control-allow-origin': origin,
    'access-control-expose-headers': EXPOSED,
    vary: 'Origin',
  })
  if (request.method !== 'OPTIONS') return undefined
  return reply
    .code(204)
    .headers({
      'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
      'access-control-allow-headers': ASKED,
      'access-control-max-age': PREFLIGHT_SECONDS,
    })
    .send()
}
