/** Who calls, and whether they may: the field Authorization (RFC 6750). */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Caller, Scope } from '../api-keys/api-key.ts'
import { authenticate, OPERATOR } from '../api-keys/authenticate.ts'
import type { Deps } from '../deps.ts'
import { requiresKeys } from '../shared/binding.ts'
import { FewbitError } from '../shared/errors.ts'

/** `none`: everybody may, with or without a key. */
export type Access = Scope | 'none'

const BEARER = /^Bearer(?: +(.*))?$/i
const REALM = 'Bearer realm="fewbit"'

/** Throws unauthenticated, or insufficient_scope before anything is looked up: both say nothing of what exists. */
export async function authorize(
  deps: Deps,
  { headers }: Pick<FastifyRequest, 'headers'>,
  reply: FastifyReply,
  access: Access,
): Promise<Caller> {
  const text = keyTextOf(headers.authorization)
  if (access === 'none' || (text === undefined && !requiresKeys(deps.config))) return OPERATOR
  const caller = text === undefined ? null : await authenticate(deps, text)
  if (!caller) {
    reply.header('www-authenticate', text === undefined ? REALM : `${REALM}, error="invalid_token"`)
    throw refusalOf(text)
  }
  if (caller.scopes.includes(access)) return caller
  reply.header('www-authenticate', `${REALM}, error="insufficient_scope", scope="${access}"`)
  throw new FewbitError('insufficient_scope', `the key's scopes are ${caller.scopes.join(', ')}; this needs ${access}`)
}

function refusalOf(text: string | undefined): FewbitError {
  const hint = 'Send an API key in the field Authorization: Bearer fb_…'
  const detail = text === undefined ? 'the request carries no API key' : 'this API key is not known, or was revoked'
  return new FewbitError('unauthenticated', detail, { hint })
}

/** Other schemes are a proxy's business. */
function keyTextOf(field: string | undefined): string | undefined {
  const [found, text = ''] = BEARER.exec(field ?? '') ?? []
  return found === undefined ? undefined : text.trim()
}
