/** Bounds of what an upload may put into its record, so that records stay kilobytes and lists of them can be read. */
import { type ErrorCode, FewbitError } from './errors.ts'
import { cut } from './some.ts'

export const MOST_ENTRIES = 1024
export const LONGEST_NAME = 500
const MOST_BYTES = 128 << 10

/** Throws `code` for too many entries, or names that are too long. */
export function requireFew(code: ErrorCode, what: string, names: readonly string[]): void {
  if (names.length > MOST_ENTRIES)
    throw new FewbitError(code, `there are ${names.length} ${what}, at most ${MOST_ENTRIES} are accepted`)
  const long = names.find((name) => name.length > LONGEST_NAME)
  if (long === undefined) return
  const detail = `one of the ${what} has a name of ${long.length} characters (${cut(long, 60)}), at most ${LONGEST_NAME} are accepted`
  throw new FewbitError(code, detail)
}

/** Throws `code` when the description as a whole is too large to keep. */
export function requireSmall(code: ErrorCode, description: object): void {
  const bytes = Buffer.byteLength(JSON.stringify(description))
  if (bytes <= MOST_BYTES) return
  throw new FewbitError(code, `names and shapes take ${bytes} bytes, at most ${MOST_BYTES} are accepted`)
}
