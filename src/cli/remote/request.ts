/** One request to a service: with the key, and with its errors as ours. */
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { type ErrorCode, FewbitError, isErrorCode } from '../../shared/errors.ts'
import { VERSION } from '../../shared/version.ts'
import type { Access } from './settings.ts'

export interface Ask extends RequestInit {
  headers?: Record<string, string>
}

const Problem = z.looseObject({
  code: z.string().optional(),
  detail: z.string().optional(),
  title: z.string().optional(),
  hint: z.string().optional(),
  errors: z.array(z.looseObject({ pointer: z.string().optional(), detail: z.string() })).optional(),
})

const ATTEMPTS = 4
const FIRST_DELAY_MS = 500
const MOST_ERRORS = 5

/** The answer of a call that succeeded. Throws the service's own error, and unavailable where nobody answers. */
export async function ask({ server, key }: Access, path: string, { headers, ...init }: Ask = {}): Promise<Response> {
  const own = { 'user-agent': `fewbit/${VERSION}`, ...(key && { authorization: `Bearer ${key}` }), ...headers }
  const response = await fetch(`${server}${path}`, { ...init, headers: own }).catch((error: unknown) => {
    if (init.signal?.aborted) throw error
    throw new FewbitError('unavailable', `${server} does not answer${reasonOf(error)}`, {
      cause: error,
      hint: 'is this its address? `fewbit dev` starts a service on this machine, `fewbit login` remembers another one',
    })
  })
  if (response.ok) return response
  throw await errorOf(response, server)
}

/** As `ask`, tried again while nobody answers: for calls that may be made twice. */
export async function askAgain(access: Access, path: string, init: Ask = {}): Promise<Response> {
  for (let attempt = 1; ; attempt++)
    try {
      return await ask(access, path, init)
    } catch (error) {
      if (attempt === ATTEMPTS || !isAway(error)) throw error
      await delay(FIRST_DELAY_MS * 2 ** attempt)
    }
}

/** Whether the same call may well succeed in a moment. */
export const isAway = (error: unknown): boolean =>
  error instanceof FewbitError && (error.code === 'unavailable' || error.code === 'store_unavailable')

export async function askJson<T>(access: Access, path: string, schema: z.ZodType<T>, init: Ask = {}): Promise<T> {
  const read = schema.safeParse(await (await askAgain(access, path, init)).json().catch(() => null))
  if (read.success) return read.data
  throw new FewbitError('internal', `${access.server}${path} answered something that is not of Fewbit`, {
    hint: 'is this the address of a Fewbit service, without a path behind it?',
  })
}

async function errorOf(response: Response, server: string): Promise<FewbitError> {
  const { code, detail, title, hint, errors } = Problem.safeParse(await response.json().catch(() => ({}))).data ?? {}
  const named = code && isErrorCode(code) ? code : codeOf(response.status)
  const said = detail ?? title ?? `${server} answered ${response.status} ${response.statusText}`
  const listed = (errors ?? []).slice(0, MOST_ERRORS).map((one) => `\n  ${one.pointer ?? ''}: ${one.detail}`)
  const login = named === 'unauthenticated' ? '`fewbit login` takes a key, FEWBIT_API_KEY is one' : undefined
  return new FewbitError(named, said + (listed.length > 1 ? listed.join('') : ''), { hint: login ?? hint })
}

const codeOf = (status: number): ErrorCode => (status >= 500 ? 'unavailable' : 'invalid_request')

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : null
  return cause instanceof Error && cause.message ? `: ${cause.message}` : ''
}
