/** `Idempotency-Key`: a request that is repeated with its key makes nothing twice and is answered as it was the first time. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Deps } from '../deps.ts'
import {
  beginKeyed,
  bindPayload,
  forgetKey,
  holdKey,
  type KeyedRequest,
  keepAnswer,
  LEASE_MS,
  leaveKey,
} from '../idempotency/keyed-request.ts'
import type { KeptAnswer } from '../idempotency/sealed-answer.ts'
import { messageOf } from '../shared/errors.ts'
import { fingerprintOf } from './fingerprint.ts'
import { refused } from './problem.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** set while a request with an Idempotency-Key runs */
    keyed: KeyedRequest | null
  }
}

interface OnceCall {
  deps: Deps
  request: FastifyRequest
  reply: FastifyReply
}

/** 1 to 255 visible characters */
const KEY = /^[\x21-\x7e]{1,255}$/
const KEPT_HEADERS = ['content-type', 'location', 'retry-after', 'etag', 'cache-control', 'preference-applied']

/** Thrown through a handler whose answer is known already. */
class AnsweredBefore extends Error {
  readonly answer: KeptAnswer
  constructor(answer: KeptAnswer) {
    super('answered before')
    this.answer = answer
  }
}

/** Runs `handle` unless the request's key has an answer. Throws idempotency_key_in_use and idempotency_key_reused. */
export async function once(call: OnceCall, handle: () => Promise<unknown>): Promise<unknown> {
  const { deps, request, reply } = call
  const key = keyIn(request)
  if (key === undefined) return handle()
  const route = `${request.method} ${request.routeOptions.url}`
  request.keyed = await beginKeyed(deps, { owner: request.caller.owner, route, key })
  holdWhileOpen(call, request.keyed)
  try {
    if (!request.routeOptions.config.streams) await requireSamePayload(deps, request, fingerprintOf(request))
    return await handle()
  } catch (error) {
    if (!(error instanceof AnsweredBefore)) throw error
    const { status, headers, body } = error.answer
    reply.code(status).headers(headers).header('idempotent-replayed', 'true')
    return reply.serializer((text: string) => text).send(body)
  }
}

/** For handlers that read their body themselves: call it when the payload is known and before anything is made. */
export async function requireSamePayload(deps: Deps, request: FastifyRequest, fingerprint: string): Promise<void> {
  const { keyed } = request
  if (!keyed) return
  try {
    await bindPayload(deps, keyed, fingerprint)
  } catch (error) {
    request.keyed = null
    if (!keyed.answer) await leaveKey(deps, keyed)
    throw error
  }
  if (!keyed.answer) return
  request.keyed = null
  throw new AnsweredBefore(keyed.answer)
}

/** Keeps what is answered. The answer goes out even if it could not be kept: what was made is found again by its id. */
export function keepAnswers(app: FastifyInstance, deps: Deps): void {
  app.decorateRequest('keyed', null)
  app.addHook('onSend', async (request, reply, payload) => {
    const { keyed } = request
    request.keyed = null
    if (keyed && !keyed.answer)
      await conclude(deps, keyed, reply, payload).catch((error) =>
        request.log.warn({ reason: messageOf(error) }, 'the end of a request with an Idempotency-Key was not kept'),
      )
    return payload
  })
}

function conclude(deps: Deps, keyed: KeyedRequest, reply: FastifyReply, payload: unknown): Promise<void> {
  if (reply.statusCode >= 500) return leaveKey(deps, keyed)
  if (reply.statusCode >= 300) return forgetKey(deps, keyed)
  const headers = KEPT_HEADERS.flatMap((name) => {
    const value = reply.getHeader(name)
    return value === undefined || Array.isArray(value) ? [] : [[name, value] as const]
  })
  const body = typeof payload === 'string' ? payload : ''
  return keepAnswer(deps, keyed, { status: reply.statusCode, headers: Object.fromEntries(headers), body })
}

function keyIn({ headers }: FastifyRequest): string | undefined {
  const field = headers['idempotency-key']
  if (field === undefined || (typeof field === 'string' && KEY.test(field))) return field
  const detail = 'expected one key of 1 to 255 visible ASCII characters, such as a UUID'
  throw refused([{ pointer: '/headers/idempotency-key', code: 'idempotency_key', detail }])
}

function holdWhileOpen({ deps, request, reply }: OnceCall, keyed: KeyedRequest): void {
  const timer = setInterval(() => {
    if (request.keyed === keyed) void holdKey(deps, keyed).catch(() => {})
    else clearInterval(timer)
  }, LEASE_MS / 3).unref()
  reply.raw.once('close', () => clearInterval(timer))
}
