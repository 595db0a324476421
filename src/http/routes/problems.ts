/** /problems: a page about each kind of problem, where the `type` of an error answer leads. */
import { z } from 'zod'
import { ERROR_CODES, type ErrorCode, errorRow, FewbitError, isErrorCode } from '../../shared/errors.ts'
import { negotiate } from '../accept.ts'
import { PAGE } from '../document/bodies.ts'
import { endpoint } from '../endpoint.ts'
import { answer } from '../shapes.ts'

export const ProblemKind = z.object({
  code: z.string(),
  title: z.string(),
  status: z.number().int(),
  retryable: z.boolean().describe('whether the same request may succeed later'),
})
export const ProblemKindList = z.object({
  object: z.literal('list'),
  data: z.array(ProblemKind),
  has_more: z.literal(false),
})

const FORMATS = ['text/html', 'application/json'] as const
const HTML = 'text/html; charset=utf-8'

export const list = endpoint(
  {
    operationId: 'listProblems',
    'x-scope': 'none',
    tags: ['problems'],
    summary: 'List the kinds of problems',
    description: 'Every code that an error answer, or the error of a job, may carry.',
    response: { 200: answer('All kinds', ProblemKindList) },
    'x-errors': ['not_acceptable'],
    'x-document': PAGE,
  },
  ({ request, reply }) => {
    reply.header('vary', 'Accept')
    const wantsPage = negotiate(request.headers.accept, FORMATS) === 'text/html'
    if (!wantsPage) return { object: 'list', data: ERROR_CODES.map(kindOf), has_more: false }
    return reply.type(HTML).send(page('Problems', ERROR_CODES.map(rowOf).join('\n')))
  },
)

export const get = endpoint(
  {
    operationId: 'getProblem',
    'x-scope': 'none',
    tags: ['problems'],
    summary: 'Get a kind of problem',
    description: 'What a code means. The `type` of every error answer is the URL of this page.',
    params: z.object({ code: z.string().max(100).describe('the `code` of an error answer') }),
    response: { 200: answer('The kind of problem', ProblemKind) },
    'x-errors': ['not_found', 'not_acceptable'],
    'x-document': PAGE,
  },
  ({ params: { code }, request, reply }) => {
    if (!isErrorCode(code)) throw new FewbitError('not_found', 'no such kind of problem')
    reply.header('vary', 'Accept')
    const wantsPage = negotiate(request.headers.accept, FORMATS) === 'text/html'
    return wantsPage ? reply.type(HTML).send(page(errorRow(code).title, rowOf(code))) : kindOf(code)
  },
)

function kindOf(code: ErrorCode): z.infer<typeof ProblemKind> {
  const { title, status, retryable = false } = errorRow(code)
  return { code, title, status, retryable }
}

function rowOf(code: ErrorCode): string {
  const { title, status, retryable } = kindOf(code)
  const advice = retryable
    ? 'The same request may succeed later: honour Retry-After.'
    : 'The same request will not succeed: change what the detail of the answer says.'
  return `<section id="${code}"><h2>${title}</h2><p><code>${code}</code>, status ${status}. ${advice}</p></section>`
}

/** Codes and titles are our own: there is nothing to escape. */
function page(title: string, content: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title></head>
<body>${content}
<p><a href="/problems">All kinds of problems</a></p></body></html>
`
}
