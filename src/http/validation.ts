/** Checks the parts of a request against the schemas of its route; the problems point into the request. */
import type { FastifySchemaCompiler } from 'fastify'
import type { z } from 'zod'
import { pointerOf } from '../shared/pointer.ts'
import { cut } from '../shared/some.ts'
import { MOST_ERRORS, refused } from './problem.ts'

const BASES: Record<string, string> = { body: '', querystring: '/query', params: '/path', headers: '/headers' }

export const validatorCompiler: FastifySchemaCompiler<z.ZodType> =
  ({ schema, httpPart = '' }) =>
  (data: unknown) => {
    const parsed = schema.safeParse(data)
    if (parsed.success) return { value: parsed.data }
    return { error: refusedByZod(parsed.error, BASES[httpPart] ?? '') }
  }

/** One error for all issues; `base` is the pointer of what was checked. */
export function refusedByZod({ issues }: z.ZodError, base: string) {
  const shown = issues.slice(0, MOST_ERRORS).map(({ path, code, message }) => ({
    pointer: base + pointerOf(path),
    code: code ?? 'invalid',
    detail: cut(message, 1000),
  }))
  return refused(shown, issues.length)
}
