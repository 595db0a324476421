/** From anything thrown to the one shape in which the API says no (RFC 9457). */
import { z } from 'zod'
import { type ErrorCode, type ErrorExtra, FewbitError } from '../shared/errors.ts'
import { cut } from '../shared/some.ts'

export const Problem = z.object({
  type: z.string().describe('URL of a page about this kind of problem'),
  title: z.string().describe('constant for each code'),
  status: z.number().int(),
  detail: z.string().describe('what is wrong this time'),
  instance: z.string().describe('path of the request'),
  code: z.string().describe('stable, for programs'),
  request_id: z.string(),
  hint: z.string().optional().describe('what to do about it'),
  errors: z
    .array(
      z.object({
        pointer: z.string().describe('JSON pointer into the request; empty: the whole body'),
        code: z.string(),
        detail: z.string(),
      }),
    )
    .optional()
    .describe('the first problems of the request; `detail` says how many there are'),
})
export type Problem = z.infer<typeof Problem>

/** how many problems of one request are told */
export const MOST_ERRORS = 20
const MOST_TEXT = 2000
const MOST_POINTER = 500

/** Fastify's own refusals, and the multipart parser's. */
const FOREIGN: Record<string, ErrorCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed_request',
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed_request',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed_request',
  FST_ERR_BAD_URL: 'malformed_request',
  FST_ERR_MAX_PARAM_LENGTH: 'uri_too_long',
  FST_REQ_FILE_TOO_LARGE: 'payload_too_large',
  FST_PARTS_LIMIT: 'payload_too_large',
  FST_FILES_LIMIT: 'payload_too_large',
  FST_FIELDS_LIMIT: 'payload_too_large',
  FST_PROTO_VIOLATION: 'malformed_request',
  FST_INVALID_JSON_FIELD_ERROR: 'malformed_request',
  FST_MP_PREMATURE_CLOSE: 'upload_aborted',
  ECONNRESET: 'upload_aborted',
}

/** Never leaks what an unexpected error says. */
export function toFewbitError(error: unknown): FewbitError {
  if (error instanceof FewbitError) return error
  const {
    code = '',
    message = '',
    statusCode = 500,
  } = error as { code?: string; message?: string; statusCode?: number }
  const known = FOREIGN[code] ?? (statusCode === 400 ? 'malformed_request' : undefined)
  return known
    ? new FewbitError(known, message, { cause: error })
    : new FewbitError('internal', 'Something went wrong on our side.', { cause: error })
}

export interface Asked {
  /** as it was sent, query included */
  url: string
  /** of the request */
  id: string
  /** scheme, host and port under which the client reaches the API */
  origin: string
}

export function toProblem(error: FewbitError, { url, id, origin }: Asked): Problem {
  const { hint, param, errors } = error.extra
  const all =
    errors ?? (param === undefined ? undefined : [{ pointer: param, code: error.code, detail: error.message }])
  return {
    type: `${origin}/problems/${error.code}`,
    title: error.title,
    status: error.status,
    detail: cut(error.message, MOST_TEXT),
    instance: cut(url.split('?')[0]!, MOST_POINTER),
    code: error.code,
    request_id: id,
    ...(hint && { hint: cut(hint, MOST_TEXT) }),
    ...(all && { errors: all.slice(0, MOST_ERRORS).map(short) }),
  }
}

const short = ({ pointer, code, detail }: { pointer: string; code: string; detail: string }) => ({
  pointer: cut(pointer, MOST_POINTER),
  code,
  detail: cut(detail, MOST_TEXT),
})

/** One error for several problems of a request; `count`: how many there are when not all are given. */
export function refused(errors: NonNullable<ErrorExtra['errors']>, count = errors.length): FewbitError {
  const [first] = errors
  const rest = count > errors.length ? `, of which ${errors.length} are told` : ''
  const detail = count === 1 && first ? `${first.pointer || 'body'}: ${first.detail}` : `${count} problems${rest}`
  return new FewbitError('invalid_request', detail, { errors })
}
