/** Ids of everything the service keeps: a prefix that names the kind, then a ULID, so that ids sort by time. */
import { decodeTime, encodeTime, ulid } from 'ulid'

export type IdPrefix = 'mdl' | 'ds' | 'job' | 'art' | 'key' | 'whe' | 'dlv' | 'evt' | 'upl' | 'cmp'

/** ULIDs are written in Crockford's base 32 and lower case */
const ULID = '[0-7][0-9a-hjkmnp-tv-z]{25}'

export const newId = (prefix: IdPrefix): string => idWith(prefix, ulid().toLowerCase())

/** `id`: a ULID in lower case. */
export const idWith = (prefix: IdPrefix, id: string): string => `${prefix}_${id}`

export const timeOfId = (id: string): Date => new Date(decodeTime(id.slice(id.indexOf('_') + 1).toUpperCase()))

/** Greater than every id of this kind that was made until `ms`, and smaller than all later ones. */
export const lastIdUntil = (prefix: IdPrefix, ms: number): string =>
  `${prefix}_${encodeTime(ms).toLowerCase()}${'z'.repeat(16)}`

/** An id of the time `ms` whose rest follows from at least 16 random-looking bytes: the same bytes give the same id. */
export const idAt = (prefix: IdPrefix, ms: number, bytes: Uint8Array): string =>
  `${prefix}_${encodeTime(ms).toLowerCase()}${Array.from(bytes.subarray(0, 16), (byte) => DIGITS[byte % 32]).join('')}`

const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz'

/** The only form in which an id may become part of a key in Redis. */
export const isId = (prefix: IdPrefix, text: string): boolean => PATTERNS[prefix].test(text)

export const idPattern = (prefix: IdPrefix): RegExp => PATTERNS[prefix]

const PATTERNS: Record<IdPrefix, RegExp> = {
  mdl: new RegExp(`^mdl_${ULID}$`),
  ds: new RegExp(`^ds_${ULID}$`),
  job: new RegExp(`^job_${ULID}$`),
  art: new RegExp(`^art_${ULID}$`),
  key: new RegExp(`^key_${ULID}$`),
  whe: new RegExp(`^whe_${ULID}$`),
  dlv: new RegExp(`^dlv_${ULID}$`),
  upl: new RegExp(`^upl_${ULID}$`),
  evt: new RegExp(`^evt_${ULID}$`),
  cmp: new RegExp(`^cmp_${ULID}$`),
}
