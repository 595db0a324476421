/** From anything thrown to the one shape in which the API says no (RFC 9457). */
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { type ErrorCode, type ErrorExtra, FewbitError } from '../shared/errors.ts'

export const Problem = z.object({
  type: z.string().describe('a URI of the kind of problem'),
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
        pointer: z.string().describe('JSON pointer into the request'),
        code: z.string(),
        detail: z.string(),
      }),
    )
    .optional(),
})
export type Problem = z.infer<typeof Problem>

/** Fastify's own refusals, and the multipart parser's. */
const FOREIGN: Record<string, ErrorCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed_request',
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed_request',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed_request',
  FST_REQ_FILE_TOO_LARGE: 'payload_too_large',
  FST_PARTS_LIMIT: 'payload_too_large',
  FST_FILES_LIMIT: 'payload_too_large',
  FST_FIELDS_LIMIT: 'payload_too_large',
  FST_PROTO_VIOLATION: 'malformed_request',
  FST_INVALID_JSON_FIELD_ERROR: 'malformed_request',
  FST_MP_PREMATURE_CLOSE: 'upload_aborted',
  ECONNRESET: 'upload_aborted',
}

const POINTERS: Record<string, string> = { body: '', querystring: '/query', params: '/path', headers: '/headers' }

/** Never leaks what an unexpected error says. */
export function toFewbitError(error: unknown): FewbitError {
  if (error instanceof FewbitError) return error
  if (hasZodFastifySchemaValidationErrors(error)) return invalid(error)
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

export function toProblem(error: FewbitError, { url, id }: { url: string; id: string }): Problem {
  const { hint, param, errors } = error.extra
  const all =
    errors ?? (param === undefined ? undefined : [{ pointer: param, code: error.code, detail: error.message }])
  return {
    type: `urn:fewbit:problem:${error.code}`,
    title: error.title,
    status: error.status,
    detail: error.message,
    instance: url.split('?')[0]!,
    code: error.code,
    request_id: id,
    ...(hint && { hint }),
    ...(all && { errors: all }),
  }
}

type ValidationError = Parameters<typeof hasZodFastifySchemaValidationErrors>[0] & {
  validationContext?: string
  validation: { instancePath: string; keyword: string; message?: string }[]
}

function invalid(error: unknown): FewbitError {
  const { validation, validationContext = 'body' } = error as ValidationError
  const base = POINTERS[validationContext] ?? ''
  const errors = validation.map(({ instancePath, keyword, message = 'not valid' }) => ({
    pointer: base + instancePath,
    code: keyword,
    detail: message,
  }))
  return refused(errors)
}

/** One error for several problems of a request. */
export function refused(errors: NonNullable<ErrorExtra['errors']>): FewbitError {
  const [first] = errors
  const detail =
    errors.length === 1 && first ? `${first.pointer || 'body'}: ${first.detail}` : `${errors.length} problems`
  return new FewbitError('invalid_request', detail, { errors })
}
