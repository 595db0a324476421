/** Bounds of a multipart form and the parser's words for a broken one. */
import { FewbitError, messageOf } from '../shared/errors.ts'

/** boundaries, part headers and fields around the files */
export const OVERHEAD_BYTES = 1 << 20

const BROKEN = /multipart|terminated early|boundary/i

export function partLimits(maxBytes: number) {
  return {
    // one more than allowed, so that the store's own count refuses first
    fileSize: maxBytes + 1,
    files: 65,
    fields: 16,
    parts: 81,
    fieldSize: 64 << 10,
    fieldNameSize: 100,
    headerPairs: 50,
  }
}

/** The parser throws plain errors for malformed bodies. */
export function asFormError(error: unknown): unknown {
  if (error instanceof FewbitError || (error instanceof Error && 'code' in error)) return error
  return BROKEN.test(messageOf(error))
    ? new FewbitError('malformed_request', messageOf(error), { cause: error })
    : error
}
