/** The text of an API key: a prefix, 256 random bits, a checksum. Scanners can find leaked keys, and a typing error needs no look-up. */
import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

const PREFIX = 'fb_'
const SECRET_BYTES = 32
/** of 256 bits, and of 32, in base 62 */
const SECRET_LENGTH = 43
const CHECKSUM_LENGTH = 6
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const FORM = new RegExp(`^${PREFIX}[0-9A-Za-z]{${SECRET_LENGTH + CHECKSUM_LENGTH}}$`)

export function makeKeyText(): string {
  const secret = inBase62(BigInt(`0x${randomBytes(SECRET_BYTES).toString('hex')}`), SECRET_LENGTH)
  return PREFIX + secret + checksumOf(secret)
}

/** Whether this can be a key of ours: form and checksum. */
export function isKeyText(text: string): boolean {
  if (!FORM.test(text)) return false
  const secret = text.slice(PREFIX.length, -CHECKSUM_LENGTH)
  return text.endsWith(checksumOf(secret))
}

/** What is kept instead of the key, in hex. The key is random, so that a fast hash is as safe as a slow one. */
export const hashOfKey = (text: string): string => createHash('sha256').update(text).digest('hex')

/** By which people tell their keys apart. */
export const beginningOf = (text: string): string => text.slice(0, PREFIX.length + 4)

const checksumOf = (secret: string): string => inBase62(BigInt(crc32(secret)), CHECKSUM_LENGTH)

function inBase62(number: bigint, length: number): string {
  let text = ''
  for (let rest = number; text.length < length; rest /= 62n) text = DIGITS[Number(rest % 62n)] + text
  return text
}
