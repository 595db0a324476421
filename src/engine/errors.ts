/** From whatever was thrown to the one class of errors that callers of the library meet. */
import { type ErrorCode, FewbitError, messageOf } from '../shared/errors.ts'

const CODES: readonly (readonly [RegExp, ErrorCode])[] = [
  [
    /bad_alloc|Failed to allocate memory|Array buffer allocation failed|Invalid typed array length|ENOMEM/i,
    'out_of_memory',
  ],
  [/EFBIG/, 'output_limit'],
  [/ENOSPC|EDQUOT|No space left on device|Disk quota exceeded/, 'disk_full'],
]

/** The same error where it is one already and says where it arose; `canceled` once `signal` has aborted. */
export function asFewbitError(error: unknown, stage: string, signal?: AbortSignal): FewbitError {
  if (signal?.aborted)
    return new FewbitError('canceled', 'the caller canceled the quantization', { stage, cause: signal.reason })
  const text = messageOf(error)
  const known = CODES.find(([pattern]) => pattern.test(text))?.[1]
  if (error instanceof FewbitError) {
    if (error.extra.stage !== undefined && (known ?? error.code) === error.code) return error
    return new FewbitError(known ?? error.code, text, { stage, ...error.extra })
  }
  return new FewbitError(known ?? 'quantization_failed', text, { stage, cause: error })
}
