/** Tells the errors of an unreachable Redis from all others. */

const CODES = new Set(['ECONNREFUSED', 'ENOENT', 'ETIMEDOUT', 'EPIPE', 'EAI_AGAIN', 'ENOTFOUND'])
const NAMES = new Set(['MaxRetriesPerRequestError', 'AbortError'])
const MESSAGES = [
  /^Connection is closed/,
  /Command timed out/,
  /enableOfflineQueue/,
  /^(LOADING|MISCONF|READONLY|MASTERDOWN|OOM) /,
]

export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const connecting =
    'syscall' in error && error.syscall === 'connect' && 'code' in error && CODES.has(String(error.code))
  return connecting || NAMES.has(error.name) || MESSAGES.some((pattern) => pattern.test(error.message))
}
