/** Reads a Range field of one byte range (RFC 9110 §14). */
import type { ByteRange } from '../storage/store.ts'

const ONE_RANGE = /^bytes=(\d*)-(\d*)$/i

/** undefined: not one byte range, to be ignored. */
export function parseRange(field: string, size: number): ByteRange | 'unsatisfiable' | undefined {
  const [, first = '', last = ''] = ONE_RANGE.exec(field.replaceAll(' ', '')) ?? []
  if (first === '' && last === '') return undefined
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined
  return start > end ? 'unsatisfiable' : { start, end }
}
